import type { Same } from './shell'

export const en = {
  pivot: 'Compare by'
}

export const fr: Same<typeof en> = {
  pivot: 'Comparer selon'
}
