/** What of the compare screen is in the address: what goes down, what is locked, where one is, and what is side by side. */

/** A cell by the keys of its row and column. */
export interface Place {
  row: string
  column: string
}

/** `locks`: key of each axis that is locked, null where it may be anything; axes that are not named are the server's choice. */
export interface Asked {
  rows: string
  locks: Record<string, string | null>
  at: number
  side: Place[]
  /** Whether those are looked at; else they are only chosen. */
  open: boolean
}

/** The most images side by side. */
export const MOST = 4

export function readLocks(text: string): Asked {
  const search = new URLSearchParams(text)
  const locks: Record<string, string | null> = {}
  for (const lock of search.getAll('lock')) {
    const colon = lock.indexOf(':')
    if (colon > 0) locks[lock.slice(0, colon)] = lock.slice(colon + 1)
  }
  for (const name of search.getAll('any')) locks[name] = null
  const at = Number(search.get('at') ?? 0)
  const rows = search.getAll('row')
  const side = search.getAll('column').flatMap((column, n) => (rows[n] === undefined ? [] : [{ row: rows[n], column }]))
  return { rows: search.get('rows') ?? '', locks, at: Number.isSafeInteger(at) && at > 0 ? at : 0, side: side.slice(0, MOST), open: search.get('open') === '1' }
}

export function writeLocks({ rows, locks, at, side, open }: Asked): string {
  const search = new URLSearchParams()
  if (rows) search.set('rows', rows)
  for (const [name, key] of Object.entries(locks)) {
    if (key === null) search.append('any', name)
    else search.append('lock', `${name}:${key}`)
  }
  if (at) search.set('at', String(at))
  for (const { row, column } of side) {
    search.append('row', row)
    search.append('column', column)
  }
  if (open) search.set('open', '1')
  return search.toString()
}

/** The address of the matrix at the server. */
export function routeOf(session: string, pivot: string, { rows, locks, at }: Asked, limit: number): string {
  const search = new URLSearchParams(writeLocks({ rows, locks, at, side: [], open: false }))
  search.set('session', session)
  if (pivot) search.set('pivot', pivot)
  search.set('limit', String(limit))
  return `/sdgen/compare?${search}`
}
