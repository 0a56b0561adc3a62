import { percent as share } from '../../numbers'
import type { scoring as english } from '../en/scoring'
import type { Same } from '../same'

const n = (value: number): string => value.toLocaleString('fr')
const images = (count: number): string => `${n(count)} ${count < 2 ? 'image' : 'images'}`
const pick = (table: Record<string, string>, name: string): string => table[name] ?? name

const CLASSES = { success: 'Réussie', partial: 'En partie', failed: 'Ratée', none: 'Sans classe' }
const REASONS = {
  quality: 'les mots élogieux ne se voient pas', lora: "un LoRA n'a pas de mots", negation: "ce qui n'est pas là ne se voit pas", empty: "rien n'a été demandé",
  'weight-only': "ce n'est qu'un poids", count: 'le modèle ne compte pas', side: 'le modèle ne distingue pas la gauche de la droite', setting: "d'après les réglages",
  'nothing-asked': "rien n'a été demandé", alike: 'le modèle ne distingue aucune des valeurs', unseen: 'aucune valeur ne ressort dans ces images'
}
const WHICH = { failed: 'Ratées', partial: 'Ratées ou réussies en partie', flagged: 'Signalées : trop peu de leurs valeurs sont là' }

const method = (name: string): string =>
  name === 'clip' ? 'image entière' : name === 'vlm' ? 'modèle de langage' : name === 'classifier' ? 'votre classifieur' : name.startsWith('crop:') ? `gros plan (${name.slice(5)})` : name

export const scoring: Same<typeof english> = {
  says: 'Ce que voit le modèle',
  by: (scorer, date) => `${scorer}, ${date}`,
  imageClass: (name) => pick(CLASSES, name),
  classHint: (score) => `Sûr de ses valeurs à ${score} en moyenne`,
  flagged: 'signalée',
  flaggedHint: 'Trop peu de ses valeurs sont là',
  staged: 'mise à la corbeille par le modèle',
  promptScore: 'Suit le prompt',
  promptHint: "À quel point l'image suit le prompt entier ; ce n'est pas une probabilité",
  aesthetic: 'Esthétique',
  sure: (name, percent) => `${name} : présent, sûr à ${percent}`,
  seen: 'présent',
  unseen: 'absent',
  method,
  methodHint: "Comment cela a été trouvé",
  instead: (value) => `ressemble plutôt à ${value}`,
  alike: (values) => `pas distingué de ${values}`,
  notAssessable: (why) => `ne peut pas être jugé : ${why}`,
  reason: (name) => pick(REASONS, name),
  disagrees: (verdict) => `vous avez dit ${verdict}`,
  disagreesHint: 'Ce que vous avez dit compte, quoi que dise le modèle',
  verdict: (name) => ({ ok: 'OK', ko: 'KO' })[name] ?? name,
  uncalibrated: 'non calibré',
  uncalibratedHint: (more, ok, ko) => {
    if (!more) return 'Il y a maintenant assez de verdicts : évaluez de nouveau, et les pourcentages y seront ajustés.'
    const of = [ok && `${n(ok)} OK`, ko && `${n(ko)} KO`].filter(Boolean).join(' et ')
    return `Aucun verdict n'appuie encore ces pourcentages. Jugez-en encore ${images(more)}${of ? ` (au moins ${of})` : ''}, puis évaluez de nouveau.`
  },
  hintOf: (placeholder, hint) => (placeholder ? `${placeholder} : ${hint}` : hint),
  title: 'Scores du modèle',
  scored: (scored, all) => `${n(scored)} sur ${images(all)} évaluées`,
  shares: (parts) => parts.map(([name, count]) => `${pick(CLASSES, name)} : ${n(count)}`).join(', '),
  sessionClass: (mean, complete) => `${complete ? 'Complète' : 'Pas complète'} : ${mean} en moyenne`,
  failing: 'Valeurs qui échouent le plus',
  noFailing: "Aucune valeur n'échoue.",
  missed: (missed, all) => `absent dans ${n(missed)} sur ${n(all)}`,
  notRead: (count) => `${images(count)} n'${count < 2 ? 'a' : 'ont'} pas pu être évaluée${count < 2 ? '' : 's'}`,
  agreement: 'Humains et modèle',
  agreementHelp: "Combien de fois le modèle dit la même chose que les humains, sur les valeurs jugées OK ou KO. Kappa est l'accord au-delà du hasard : 1 toujours, 0 pas plus que le hasard. L'erreur de calibration (ECE) dit à quelle distance de la vérité sont ses pourcentages, sur des verdicts auxquels il n'a pas été ajusté.",
  noAgreement: "Rien à comparer : jugez des valeurs d'images évaluées.",
  noRates: "Aucune image n'est encore évaluée. Choisissez « Évaluer » dans le menu d'une session.",
  rates: 'Valeurs : modèle et humains',
  all: 'Toutes ensemble',
  placeholder: 'Placeholder',
  labels: 'Verdicts',
  agree: "D'accord",
  kappa: 'Kappa',
  okUnseen: 'OK, mais pas vu',
  koSeen: 'KO, mais vu',
  error: 'ECE',
  basis: 'Calibration',
  calibrated: (count) => `${n(count)} verdicts`,
  contradictions: 'Contradictions',
  showContradictions: 'Les voir',
  score: 'Évaluer …',
  scoreTitle: 'Évaluer des images avec un modèle',
  scoreWhat: (sessions) => (sessions < 2 ? '1 session est regardée par un modèle : chaque image montre-t-elle ses valeurs ?' : `${n(sessions)} sessions sont regardées par un modèle : chaque image montre-t-elle ses valeurs ?`),
  scoreNone: "Il n'y a pas de session ici.",
  scorer: 'Modèle',
  demoHint: 'Le modèle de démonstration ne connaît que les formes et les couleurs de la démonstration.',
  noScorer: "Il n'y a pas encore de modèle d'évaluation.",
  whereScorers: "Mettez les poids d'un modèle CLIP d'open_clip (comme ViT-B-32 dans un fichier .safetensors) dans le dossier models/clip_vision de ComfyUI, ou dans un dossier que nomme « scorer_folders » de settings.json de SDGen ; sdgen gallery accepte --scorers DOSSIER. Puis regardez de nouveau.",
  lookAgain: 'Regarder de nouveau',
  begin: 'Évaluer',
  cancel: 'Annuler',
  scoring: 'Évaluation',
  held: "L'évaluation attend que ComfyUI ait fini de générer",
  loading: (session) => `Évaluation de ${session} : le modèle se charge …`,
  progress: (session, done, total) => `Évaluation de ${session} : ${n(done)} sur ${images(total)}`,
  speed: (rate, left) => [rate && `${rate} par seconde`, left && `encore ${left}`].filter(Boolean).join(' · '),
  waiting: (count) => (count < 2 ? '1 autre session attend' : `${n(count)} autres sessions attendent`),
  done: 'Évaluation finie.',
  stop: 'Arrêter',
  failures: (count) => (count < 2 ? "1 session n'a pas pu être évaluée" : `${n(count)} sessions n'ont pas pu être évaluées`),
  stage: 'Images ratées à la corbeille …',
  stageTitle: 'Images ratées à la corbeille',
  stageWhich: 'Quelles images',
  which: (name) => pick(WHICH, name),
  spare: "Laisser les favoris, les autres images marquées ou notées, et celles dont une valeur a été jugée OK",
  spared: (count) => (count < 2 ? '1 image est laissée' : `${n(count)} sont laissées`),
  stageFew: (count, size) => `${images(count)}, ${size}`,
  stageValues: (values) => `Leurs valeurs : ${values}`,
  stageNothing: 'Aucune image de ce genre.',
  stageUndo: "Elles sont seulement marquées comme corbeille, en une étape : annuler les ramène toutes. Les fichiers restent jusqu'à ce que la corbeille soit vidée.",
  stageGo: (count) => `Mettre ${images(count)} à la corbeille`,
  stageDone: (count) => `${images(count)} mise${count < 2 ? '' : 's'} à la corbeille`,
  share: (value) => share(value, 'fr')
}
