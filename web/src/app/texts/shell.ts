const number = (value: number, language: string): string => value.toLocaleString(language)

/** How a text of the other languages has to look: the same names, the same parameters. */
export type Same<T> = { [Name in keyof T]: T[Name] extends (...given: infer Given) => string ? (...given: Given) => string : string }

export const en = {
  language: 'en',
  gallery: 'Gallery',
  sessions: 'Sessions',
  images: 'Images',
  compare: 'Compare',
  statistics: 'Statistics',
  close: 'Close',
  back: 'Back',
  loading: 'Loading …',
  count: (n: number) => number(n, 'en'),
  imageCount: (n: number) => `${number(n, 'en')} ${n === 1 ? 'image' : 'images'}`,
  sessionCount: (n: number) => `${number(n, 'en')} ${n === 1 ? 'session' : 'sessions'}`,
  notSaved: 'This could not be saved',
  noServer: 'The server does not answer',
  tryAgain: 'Try again',
  undo: (label: string) => `Undo: ${label}`,
  redo: (label: string) => `Redo: ${label}`,
  undone: (label: string) => `Undone: ${label}`,
  redone: (label: string) => `Done again: ${label}`,
  nothingToUndo: 'There is nothing to undo.'
}

export const fr: Same<typeof en> = {
  language: 'fr',
  gallery: 'Galerie',
  sessions: 'Sessions',
  images: 'Images',
  compare: 'Comparer',
  statistics: 'Statistiques',
  close: 'Fermer',
  back: 'Retour',
  loading: 'Chargement …',
  count: (n) => number(n, 'fr'),
  imageCount: (n) => `${number(n, 'fr')} ${n < 2 ? 'image' : 'images'}`,
  sessionCount: (n) => `${number(n, 'fr')} ${n < 2 ? 'session' : 'sessions'}`,
  notSaved: "Ceci n'a pas pu être enregistré",
  noServer: 'Le serveur ne répond pas',
  tryAgain: 'Réessayer',
  undo: (label) => `Annuler : ${label}`,
  redo: (label) => `Rétablir : ${label}`,
  undone: (label) => `Annulé : ${label}`,
  redone: (label) => `Rétabli : ${label}`,
  nothingToUndo: "Il n'y a rien à annuler."
}
