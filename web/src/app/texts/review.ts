import type { Same } from './shell'

export const en = {
  favourite: 'Favourite',
  interesting: 'Interesting',
  trash: 'Trash'
}

export const fr: Same<typeof en> = {
  favourite: 'Favori',
  interesting: 'Intéressant',
  trash: 'Corbeille'
}
