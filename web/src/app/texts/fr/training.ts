import type { training as english } from '../en/training'
import type { Same } from '../same'

const n = (value: number): string => value.toLocaleString('fr')
const images = (count: number): string => `${n(count)} ${count < 2 ? 'image' : 'images'}`
const pick = (table: Record<string, string>, name: string): string => table[name] ?? name

const STATES = { waiting: 'En attente', starting: 'Démarre', running: 'Entraîne', saving: 'Enregistre', stopping: 'S’arrête', stopped: 'Arrêté', failed: 'Échoué', done: 'Terminé' }
const PHASES = { loading: 'chargement du modèle', caching: 'préparation des images', training: '', saving: 'enregistrement', sampling: 'images d’essai' }
const ACTS = { stop: 'Arrêter', save: 'Enregistrer puis arrêter', resume: 'Continuer', forget: 'Retirer de la liste' }
const SURE = { stop: 'Arrêter : ce qui n’est pas enregistré est perdu', forget: 'Retirer, avec son dossier' }
const TRAINERS = { native: 'Entraîneur de ComfyUI', kohya: 'kohya sd-scripts' }
const OUTCOMES = { promote: 'Adopté', 'roll back': 'Abandonné', undecided: 'Pas adopté', 'no material': 'Pas de bonnes images pour apprendre', '': 'Pas fini' }
const SHARES = { none: 'commencer tout de suite', wait: 'attendre qu’il n’ait rien à faire', pause: 'mettre ses sessions en pause', both: 'mettre ses sessions en pause, et attendre ce qu’il a commencé' }
const LEARNED = { keep: 'reste dans les légendes', replace: 'le mot déclencheur le remplace', drop: 'rien ne le remplace' }
const REASONS = {
  'other-value': 'sans cette valeur', trash: 'dans la corbeille', missing: 'dont le fichier a disparu', broken: 'abîmées, ou qui ne sont pas des images',
  rejected: 'refusées par quelqu’un', unknown: 'ni notées ni jugées', low: 'avec une note sous le minimum', apart: 'mises de côté pour le test de référence',
  'no-caption': 'dont la légende ne dirait rien', duplicate: 'presque identiques à une meilleure', share: 'au-delà de la meilleure part',
  balance: 'de valeurs qui noieraient les autres', limit: 'au-delà de la limite'
}
const HINTS = {
  'other-value': 'Ajoutez des sessions faites avec elle.', missing: 'Importez de nouveau le dossier quand les fichiers y sont.', broken: 'Refaites-les.',
  rejected: 'Retirez un verdict, une marque ou une note qui était une erreur.', unknown: 'Notez la session, ou jugez quelques images.',
  low: 'Baissez le minimum, faites plus de graines, reformulez la valeur, ou prenez des images d’ailleurs.', 'no-caption': 'Donnez un mot déclencheur.',
  share: 'Augmentez la meilleure part.'
}

export const training: Same<typeof english> = {
  title: 'Entraînement',
  train: 'Entraîner …',
  runs: 'Entraînements',
  noRuns: 'Rien n’a encore été entraîné.',
  noRunsHint: 'Un LoRA s’entraîne avec les meilleures images d’une valeur qui échoue : choisissez « Entraîner … » dans les statistiques, ou dans le menu d’une session.',
  state: (name) => pick(STATES, name),
  phase: (name) => pick(PHASES, name),
  steps: (step, all) => `${n(step)} pas sur ${n(all)}`,
  left: (time) => `encore ${time}`,
  took: (time) => `entraîné pendant ${time}`,
  loss: (value) => `perte ${value}`,
  wish: { stop: 'en cours d’arrêt', save: 's’arrête au prochain état enregistré', '': '' },
  open: (name) => `Ouvrir l’entraînement ${name}`,
  progress: (name) => `Avancement de ${name}`,
  act: (name) => pick(ACTS, name),
  sure: (name) => pick(SURE, name),
  resumeFrom: (step) => `Continuer à partir du pas ${n(step)}`,
  alone: 'L’entraînement commence dans le panneau de ComfyUI, ou ici avec sdgen gallery --comfyui DOSSIER, qui dit où est ComfyUI.',
  trainer: (name) => pick(TRAINERS, name),
  back: 'Tous les entraînements',
  facts: 'Avec quoi il est fait',
  checkpoint: 'Modèle',
  dataset: 'Jeu d’images',
  trainerName: 'Entraîneur',
  begun: 'Commencé',
  ended: 'Fini',
  saved: 'États enregistrés',
  options: 'Options',
  lora: 'LoRA terminé',
  curve: 'Perte',
  curveOf: (points, first, last) => `Perte au fil des pas, ${n(points)} points : de ${first} à ${last}. Les flèches la parcourent.`,
  noCurve: 'Aucune perte n’est encore connue.',
  atStep: (step, loss) => `Pas ${n(step)} : ${loss}`,
  samples: 'Images d’essai',
  log: 'Journal',
  noLog: 'Le journal est vide.',
  earlier: 'Montrer ce qui précède',
  follow: 'Suivre',
  improvements: 'Améliorations',
  improved: (placeholder, value) => `${placeholder} : ${value}`,
  cycle: (number) => `cycle ${n(number)}`,
  outcome: (name) => pick(OUTCOMES, name),
  rose: (before, after, low, high) => `${before} → ${after} des nouvelles images la montrent (le changement est sûrement de ${low} à ${high} points)`,
  promoted: (lora, strength) => `${lora}, le mieux à la force ${strength}`,
  toRun: 'Son entraînement',
  report: 'Rapport avec images',
  datasets: 'Jeux d’images',
  noDatasets: 'Il n’y a pas encore de jeu d’images.',
  datasetOf: (count) => images(count),
  learns: (value) => `apprend ${value}`,
  trigger: (word) => `déclencheur « ${word} »`,
  look: 'Vérifier',
  audit: 'Ce qu’il contient',
  epoch: (steps) => `${n(steps)} pas montrent chacune une fois`,
  captions: ({ there = 0, empty = 0, missing = 0 }) => `légendes : ${[`${n(there)} présentes`, empty && `${n(empty)} vides`, missing && `${n(missing)} manquantes`].filter(Boolean).join(', ')}`,
  valuesOf: (name, counts) => `${name} : ${Object.entries(counts).map(([value, count]) => `${value || '–'} ${n(count)}`).join(', ')}`,
  fine: 'Rien ne s’oppose à un entraînement avec lui.',
  bucket: (size, count) => `${size} : ${images(count)}`,
  trainTitle: 'Entraîner un LoRA',
  what: 'Avec quoi il apprend',
  newSet: 'Un nouveau jeu d’images',
  name: 'Nom',
  ofValue: (placeholder, value) => `Il apprend la valeur « ${value} » de ${placeholder}.`,
  ofSessions: (count) => (count < 2 ? 'Avec les images de 1 session.' : `Avec les images de ${n(count)} sessions.`),
  ofFound: (q) => `Avec les images que « ${q} » trouve.`,
  ofAll: 'Avec toutes les images de la bibliothèque.',
  best: 'Meilleure part des images (%)',
  minimum: 'Note minimale du modèle (%)',
  triggerWord: 'Mot déclencheur',
  triggerHint: 'Un mot à vous ; le LoRA montre ce qu’il a appris là où une invite l’emploie.',
  learned: 'La valeur dans les légendes',
  learnedAs: (name) => pick(LEARNED, name),
  preview: 'Ce qu’il contiendrait',
  chosen: (count, of) => `${images(count)} sur ${n(of)} ${count < 2 ? 'choisie' : 'choisies'}`,
  none: 'Aucune n’est choisie : il n’y a rien à entraîner.',
  leftOut: 'Laissées de côté',
  reason: (name, said) => (REASONS as Record<string, string>)[name] ?? said,
  reasonHint: (name, said) => (HINTS as Record<string, string>)[name] ?? said,
  called: (name) => `Il s’appellera ${name}.`,
  how: 'Comment il s’entraîne',
  preset: 'Préréglage',
  noPreset: 'Aucun',
  noCheckpoint: 'Aucun modèle n’est connu ici.',
  stepsAsked: 'Pas',
  estimate: (time) => `Environ ${time}, à la vitesse du dernier de ce genre.`,
  noEstimate: 'Le premier entraînement de ce genre dira combien de temps il faut.',
  share: 'Pendant que ComfyUI fait des images',
  shareAs: (name) => pick(SHARES, name),
  more: 'Toutes les options',
  filter: 'Trouver une option',
  asPreset: (value) => `tel quel : ${value}`,
  changed: (count) => (count < 2 ? '1 changée' : `${n(count)} changées`),
  makeOnly: 'Seulement faire le jeu d’images',
  begin: 'Entraîner',
  cancel: 'Annuler',
  made: (name) => `Le jeu d’images ${name} est fait`,
  started: (name) => `${name} est dans la file`,
  problems: 'Ce qui s’y oppose'
}
