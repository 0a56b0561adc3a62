import type { Same } from './shell'

export const en = {
  previousImage: 'Previous image',
  nextImage: 'Next image'
}

export const fr: Same<typeof en> = {
  previousImage: 'Image précédente',
  nextImage: 'Image suivante'
}
