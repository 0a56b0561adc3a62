import { percent } from '../../numbers'
import type { images as english } from '../en/images'
import type { Same } from '../same'

const n = (value: number): string => value.toLocaleString('fr')
const FLAGS: Record<string, string> = {
  favourite: 'Favori', interesting: 'Intéressant', trash: 'Corbeille', marked: 'Toute marque', failed: 'Raté', judged: 'Valeurs jugées',
  tagged: 'Étiqueté', noted: 'Avec une note', missing: 'Fichier disparu', broken: 'Illisible', landscape: 'Paysage', portrait: 'Portrait',
  square: 'Carré', duplicate: 'Quasi-doublon', scored: 'Évaluée par un modèle', flagged: 'Signalé par un modèle'
}
const GROUPS: Record<string, string> = {
  mark: 'Marques', state: 'État', rating: 'Note', tag: 'Étiquettes', model: 'Modèle', sampler: 'Échantillonneur', scheduler: 'Planificateur',
  theme: 'Thème', style: 'Style', template: 'Modèle de prompt', session: 'Session', seed: 'Graine', class: 'Montre ses valeurs'
}
const CLASSES: Record<string, string> = { success: 'Oui', partial: 'En partie', failed: 'Non', none: 'Inconnu' }
const SORTS: Record<string, string> = {
  created: 'Date', number: 'Place dans la session', file: 'Nom du fichier', seed: 'Graine', rating: 'Note', mark: 'Marque', judged: 'Valeurs jugées',
  bytes: 'Taille du fichier', pixels: 'Pixels', steps: 'Étapes', cfg: 'CFG', model: 'Modèle', sampler: 'Échantillonneur', session: 'Session',
  random: 'Mélangé', match: 'Montre ses valeurs', promptscore: 'Suit le prompt', aesthetic: 'Score esthétique', contradicts: 'Contredit les verdicts'
}
const VERDICTS: Record<string, string> = { ok: 'OK', partial: 'En partie', ko: 'KO', 'no-effect': 'Sans effet', unintended: 'Non voulu' }
const NAMES: Record<string, string> = { file: 'Noms des fichiers', number: 'Numéros dans cet ordre', values: 'Valeurs et graine' }

const FOUND: Same<typeof english.found> = {
  clear: 'Effacer',
  clearSearch: 'Effacer la recherche',
  suggestions: 'Suggestions',
  column: (column) => `À la colonne ${String(column)} :`,
  failed: 'Raté',
  starCount: (stars) => (stars === 1 ? '1 étoile' : `${String(stars)} étoiles`),
  noStars: 'Sans note',
  cellSize: 'Taille des images',
  sortBy: 'Trier par',
  sortName: (name) => SORTS[name] ?? name,
  bestFirst: "Les plus récentes d'abord",
  turnRound: "Inverser l'ordre",
  shuffle: 'Mélanger à nouveau',
  queryHint: 'Tapez une lettre ou deux pour voir ce qui peut être demandé ; les mots du prompt vont sans deux-points.',
  didYouMean: 'Vouliez-vous dire',
  notCounted: 'Les valeurs seront comptées dès que la recherche sera lisible.',
  queries: 'Recherches enregistrées',
  saveQuery: 'Enregistrer cette recherche',
  queryName: 'Nom',
  forgetQuery: (name) => `Oublier la recherche « ${name} »`,
  noQueries: "Aucune recherche enregistrée. Tapez-en ou choisissez-en une, puis nommez-la ici.",
  filters: 'Filtres',
  hideFilters: 'Masquer les filtres',
  showFilters: 'Afficher les filtres',
  activeFilters: 'Filtres actifs',
  clearFilters: 'Effacer tous les filtres',
  clearOne: (name) => `Effacer ${name}`,
  exclude: (name) => `Exclure ${name}`,
  excludeHint: 'Clic : seulement ceci. Avec Alt : sans ceci.',
  excludeKo: 'Sans KO',
  onlyUnjudged: 'Pas encore jugées',
  searchValues: (name) => `Rechercher dans ${name}`,
  moreValues: (count) => `${n(count)} de plus`,
  fewerValues: 'Moins',
  noValues: 'Rien ne correspond.',
  success: (ok, judged) => `${percent(ok / judged, 'fr')} OK sur ${n(judged)} jugées`,
  notJudged: 'Pas encore jugé',
  group: (name) => GROUPS[name] ?? name,
  flag: (name) => FLAGS[name] ?? name,
  machineClass: (name) => CLASSES[name] ?? name,
  seedHint: '42, 100..199, >=5000',
  selection: 'Sélection',
  selectedCount: (count) => `${n(count)} sélectionnée${count < 2 ? '' : 's'}`,
  selectAll: 'Tout sélectionner',
  invert: 'Inverser',
  selectNone: 'Ne rien sélectionner',
  mark: 'Marquer',
  unmark: 'Retirer la marque',
  rate: 'Note',
  markFailed: 'Marquer comme ratée',
  notFailed: 'Pas ratée',
  more: 'Plus',
  tagThem: "Ajouter l'étiquette",
  untagThem: "Retirer l'étiquette",
  tagName: 'Étiquette',
  noteThem: 'Écrire la note',
  note: 'Note',
  noteHint: "Une note vide efface l'ancienne.",
  valueVerdict: 'Verdict sur une valeur',
  placeholder: 'Paramètre',
  verdict: (name) => VERDICTS[name] ?? name,
  noVerdict: 'Sans verdict',
  said: (label) => label,
  exportThem: 'Exporter …',
  exportTitle: (count) => `Exporter ${count === 1 ? '1 image' : `${n(count)} images`}`,
  clean: 'Copies nettoyées : sans prompt, workflow ni autres métadonnées',
  names: 'Noms des fichiers',
  namesOf: (way) => NAMES[way] ?? way,
  manifestToo: 'Un tableau des graines, valeurs et verdicts (manifest.csv) les accompagne.',
  tooManyToExport: (most) => `Un fichier contient au plus ${n(most)} images : choisissez-en moins.`,
  makeZip: 'Créer le zip',
  making: (done, total) => `${n(done)} images sur ${n(total)} ajoutées`,
  zipReady: (size) => `Prêt : ${size}. Le téléchargement commence tout seul.`,
  download: 'Télécharger',
  cancel: 'Annuler',
  openOnCanvas: 'Ouvrir son workflow sur le canevas',
  noWorkflow: "Le fichier de cette image ne contient pas de workflow.",
  toNode: 'Envoyer à un nœud Load Image',
  sent: (name, node) => (node ? `« ${name} » est dans le nœud « ${node} ».` : `« ${name} » est dans le dossier d'entrée de ComfyUI.`),
  sentTitle: 'Envoyée au canevas',
  notSent: "Cette image n'a pas pu être envoyée au canevas",
  scores: 'Scores d’un modèle',
  emptyTrash: 'Vider la corbeille …',
  emptyTrashTitle: 'Vider la corbeille',
  trashHolds: (images, size) => `${images === 1 ? '1 image' : `${n(images)} images`}, ${size}, iront dans la corbeille du système.`,
  trashEmpty: 'La corbeille est vide.',
  trashRefused: (count) => `${n(count)} ne peuvent pas être supprimées :`,
  emptyIt: 'La vider',
  emptying: 'Vidage …',
  emptied: (files, size) => `${n(files)} fichier${files < 2 ? '' : 's'} supprimé${files < 2 ? '' : 's'}, ${size}`,
  arrived: (count) => (count === 1 ? '1 nouvelle image' : `${n(count)} nouvelles images`)
}

export const images: Same<typeof english> = {
  search: 'Rechercher',
  searchHint: 'Hair:Red -is:failed "wet street" date:7d',
  noImages: 'Aucune image trouvée.',
  noImagesHint: 'Retirez un filtre ou regardez dans une autre session.',
  emptyLibrary: "Il n'y a pas encore d'images. Lancez une session ou importez les dossiers d'anciennes sessions.",
  imageNumber: (number, seed) => `Image ${String(number)}, graine ${seed}`,
  gone: "Le fichier n'est plus là.",
  broken: 'Le fichier ne peut pas être affiché.',
  allImages: 'Toutes les images',
  found: FOUND
}
