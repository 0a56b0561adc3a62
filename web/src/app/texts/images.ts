import type { Same } from './shell'

export const en = {
  search: 'Search',
  searchHint: 'Hair:Red -is:failed "wet street" date:7d',
  noImages: 'No image is found.',
  noImagesHint: 'Take a filter away, or look in another session.',
  emptyLibrary: 'There are no images yet. Run a session, or import the folders of older ones.',
  imageNumber: (number: number, seed: string) => `Image ${String(number)}, seed ${seed}`,
  gone: 'The file is gone.',
  broken: 'The file cannot be shown.',
  allImages: 'All images'
}

export const fr: Same<typeof en> = {
  search: 'Rechercher',
  searchHint: 'Hair:Red -is:failed "wet street" date:7d',
  noImages: 'Aucune image trouvée.',
  noImagesHint: 'Retirez un filtre ou regardez dans une autre session.',
  emptyLibrary: "Il n'y a pas encore d'images. Lancez une session ou importez les dossiers d'anciennes sessions.",
  imageNumber: (number, seed) => `Image ${String(number)}, graine ${seed}`,
  gone: "Le fichier n'est plus là.",
  broken: 'Le fichier ne peut pas être affiché.',
  allImages: 'Toutes les images'
}
