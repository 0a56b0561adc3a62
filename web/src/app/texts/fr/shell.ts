import type { shell as english } from '../en/shell'
import type { Same } from '../same'
import { problemOf } from './problems'
import { step } from './steps'

const number = (value: number): string => value.toLocaleString('fr')

export const shell: Same<typeof english> = {
  language: 'fr',
  gallery: 'Galerie',
  sessions: 'Sessions',
  images: 'Images',
  compare: 'Comparer',
  statistics: 'Statistiques',
  training: 'Entraînement',
  close: 'Fermer',
  back: 'Retour',
  loading: 'Chargement …',
  count: (n) => number(n),
  imageCount: (n) => `${number(n)} ${n < 2 ? 'image' : 'images'}`,
  sessionCount: (n) => `${number(n)} ${n < 2 ? 'session' : 'sessions'}`,
  notSaved: "Ceci n'a pas pu être enregistré",
  noServer: 'Le serveur ne répond pas',
  problem: (code, message) => problemOf(code, message)?.[0] ?? message,
  problemHint: (code, message, hint) => problemOf(code, message)?.[1] ?? hint,
  tryAgain: 'Réessayer',
  step,
  undo: (label) => `Annuler : ${label}`,
  redo: (label) => `Rétablir : ${label}`,
  undone: (label) => `Annulé : ${label}`,
  redone: (label) => `Rétabli : ${label}`,
  nothingToUndo: "Il n'y a rien à annuler.",
  undoName: 'Annuler',
  redoName: 'Rétablir',
  mainParts: 'Parties de la galerie',
  wholeLibrary: 'Toute la bibliothèque',
  theme: 'Couleurs',
  themeName: (theme) => ({ auto: 'Comme le système', light: 'Clair', dark: 'Sombre' })[theme] ?? theme,
  showSessions: 'Montrer les sessions',
  hideSessions: 'Cacher les sessions',
  openGallery: 'Ouvrir la galerie',
  running: 'En cours',
  recent: 'Sessions récentes',
  newest: 'Dernière image'
}
