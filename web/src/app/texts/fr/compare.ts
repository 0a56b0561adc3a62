import type { compare as english } from '../en/compare'
import type { Same } from '../same'

const VERDICTS: Record<string, string> = { ok: 'réussi', partial: 'partiel', ko: 'raté', 'no-effect': 'sans effet', unintended: 'involontaire' }
const PLANS: Record<string, string> = {
  todo: 'En attente',
  queued: 'En cours',
  done: 'Faite, pas encore lue',
  failed: 'En échec : la refaire',
  skipped: 'Laissée de côté : la faire',
  possible: 'Faire cette image'
}
const WHY: Record<string, string> = {
  any: 'Fixez chaque variable pour faire les images manquantes.',
  'needs-comfyui': 'Les images manquantes se font quand la galerie est ouverte dans ComfyUI.',
  'not-ours': "Les images manquantes ne peuvent être faites : cette session ne vient pas de ce ComfyUI."
}

export const compare: Same<typeof english> = {
  title: 'Comparer',
  across: 'En colonnes',
  down: 'En lignes',
  seed: 'graine',
  any: "n'importe",
  none: '(sans valeur)',
  locked: 'Fixé',
  lockOf: (name) => `Valeur de ${name}`,
  before: (name) => `Valeur précédente de ${name}`,
  after: (name) => `Valeur suivante de ${name}`,
  rows: (from, to, total) => `Lignes ${String(from)}–${String(to)} sur ${String(total)}`,
  previousRows: 'Lignes précédentes',
  nextRows: 'Lignes suivantes',
  matrix: (pivot, rows) => `Images selon ${pivot} et ${rows}`,
  cell: (column, row, said) => `${column}, ${row}${said ? ` : ${said}` : ''}`,
  verdict: (name) => VERDICTS[name] ?? name,
  say: (name, value) => `${VERDICTS[name] ?? name} : ${value}`,
  plan: (name) => PLANS[name] ?? name,
  notThere: 'Absente',
  cannot: "Le modèle n'a pas cette combinaison",
  why: (name) => WHY[name] ?? '',
  gone: "Le fichier n'est plus là",
  several: (n) => `${String(n)} images`,
  sideBySide: 'Côte à côte',
  sideOf: (row) => `Côte à côte : ${row}`,
  chosen: (n) => `${String(n)} choisies`,
  chooseMore: 'Choisissez deux à quatre images, ou le ◫ d’une ligne, pour les voir côte à côte. Les flèches déplacent, O P K jugent.',
  nothingChosen: 'Ne rien choisir',
  previousRow: 'Ligne précédente',
  nextRow: 'Ligne suivante',
  flip: 'Alterner',
  flipHint: 'Maintenir B : la deuxième image sur la première',
  zoomIn: 'Agrandir',
  zoomOut: 'Réduire',
  fit: 'Ajuster',
  changed: 'Ce qui diffère',
  nothingDiffers: "Rien de ce qui est enregistré ne diffère.",
  differs: (names) => `Ces images diffèrent aussi par : ${names}.`,
  queued: "L'image est en file",
  waits: "L'image attend",
  waitsHint: 'La session est en pause : elle sera faite avec les autres à la reprise.',
  notQueued: "L'image n'a pas pu être mise en file",
  allOfCell: 'Toutes les images de cette case',
  closer: 'La case choisie',
  noSession: 'Choisissez une session pour comparer ses images.',
  toSessions: 'Vers les sessions',
  keysHint: 'Les flèches déplacent, Entrée ouvre, Espace choisit ; O, P, K jugent la valeur, B alterne.'
}
