/** What the server tells of an export; see `sdgen_core/server/model_export.py`. */
export interface Exported {
  ticket: string
  state: 'running' | 'ready' | 'failed'
  done: number
  total: number
  bytes: number
  remarks: string[]
  problem: string
}

export const MOST_EXPORTED = 20_000
/** Ways of naming the files. */
export const NAMES = ['file', 'number', 'values'] as const
