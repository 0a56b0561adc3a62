import type { Same } from './shell'

export const en = {
  successRate: 'Success rate'
}

export const fr: Same<typeof en> = {
  successRate: 'Taux de réussite'
}
