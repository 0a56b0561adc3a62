import type { Same } from './shell'

export const en = {
  noSessions: 'No session is found.'
}

export const fr: Same<typeof en> = {
  noSessions: 'Aucune session trouvée.'
}
