import { percent as share } from '../../numbers'

const n = (value: number): string => value.toLocaleString('en')
const images = (count: number): string => `${n(count)} ${count === 1 ? 'image' : 'images'}`
const pick = (table: Record<string, string>, name: string): string => table[name] ?? name

const CLASSES = { success: 'Success', partial: 'Partial', failed: 'Failed', none: 'No class' }
const REASONS = {
  quality: 'words of praise cannot be seen', lora: 'a LoRA has no words', negation: 'what is not there cannot be seen', empty: 'nothing was asked for',
  'weight-only': 'only a weight', count: 'the model does not count', side: 'the model does not know left from right', setting: 'by the settings',
  'nothing-asked': 'nothing was asked for', alike: 'the model tells none of the values apart', unseen: 'no value stands out in these images'
}
const WHICH = { failed: 'Failed', partial: 'Failed or partial', flagged: 'Flagged: too few of their values are there' }

const method = (name: string): string =>
  name === 'clip' ? 'whole image' : name === 'vlm' ? 'language model' : name === 'classifier' ? 'your classifier' : name.startsWith('crop:') ? `close-up (${name.slice(5)})` : name

export const scoring = {
  // ---- an image ----
  says: 'What the model sees',
  by: (scorer: string, date: string) => `${scorer}, ${date}`,
  imageClass: (name: string) => pick(CLASSES, name),
  classHint: (score: string) => `On average ${score} sure of its values`,
  flagged: 'flagged',
  flaggedHint: 'Too few of its values are there',
  staged: 'in the trash by the model',
  promptScore: 'Fits the prompt',
  promptHint: 'How well the image fits the whole prompt; no probability',
  aesthetic: 'Aesthetic',
  sure: (name: string, percent: string) => `${name}: ${percent} sure that it is there`,
  seen: 'there',
  unseen: 'not there',
  method,
  methodHint: 'How it was found out',
  instead: (value: string) => `looks more like ${value}`,
  alike: (values: string) => `not told apart from ${values}`,
  notAssessable: (why: string) => `cannot be judged: ${why}`,
  reason: (name: string) => pick(REASONS, name),
  disagrees: (verdict: string) => `you said ${verdict}`,
  disagreesHint: 'What you said counts, whatever the model says',
  verdict: (name: string) => ({ ok: 'OK', ko: 'KO' })[name] ?? name,
  uncalibrated: 'uncalibrated',
  uncalibratedHint: (more: number, ok: number, ko: number) => {
    if (!more) return 'There are enough verdicts now: score again, and the percentages are fitted to them.'
    const of = [ok && `${n(ok)} OK`, ko && `${n(ko)} KO`].filter(Boolean).join(' and ')
    return `Nobody’s verdicts stand behind these percentages yet. Judge ${n(more)} more ${more === 1 ? 'image' : 'images'} of it${of ? ` (at least ${of})` : ''}, then score again.`
  },
  hintOf: (placeholder: string, hint: string) => (placeholder ? `${placeholder}: ${hint}` : hint),
  // ---- sessions ----
  title: 'Scores of the model',
  scored: (scored: number, all: number) => `${n(scored)} of ${images(all)} scored`,
  shares: (parts: readonly [string, number][]) => parts.map(([name, count]) => `${pick(CLASSES, name)} ${n(count)}`).join(', '),
  sessionClass: (mean: string, complete: boolean) => `${complete ? 'Complete' : 'Not complete'}: ${mean} on average`,
  failing: 'Values that fail most',
  noFailing: 'No value fails.',
  missed: (missed: number, images: number) => `not seen in ${n(missed)} of ${n(images)}`,
  notRead: (count: number) => `${images(count)} could not be scored`,
  // ---- statistics ----
  agreement: 'People and model',
  agreementHelp: 'How often the model says the same as people, about values that were judged OK or KO. Kappa is the agreement beyond chance: 1 always, 0 no more than chance. The calibration error (ECE) is how far its percentages are from the truth, on verdicts that it was not fitted to.',
  noAgreement: 'Nothing to compare yet: judge values of images that are scored.',
  noRates: 'No image is scored yet. Choose “Score” in the menu of a session.',
  rates: 'Values: model and people',
  all: 'All together',
  placeholder: 'Placeholder',
  labels: 'Verdicts',
  agree: 'Agree',
  kappa: 'Kappa',
  okUnseen: 'OK, but not seen',
  koSeen: 'KO, but seen',
  error: 'ECE',
  basis: 'Calibration',
  calibrated: (count: number) => `${n(count)} verdicts`,
  contradictions: 'Contradictions',
  showContradictions: 'Show them',
  // ---- scoring ----
  score: 'Score …',
  scoreTitle: 'Score images with a model',
  scoreWhat: (sessions: number) => (sessions === 1 ? '1 session is looked at by a model: does each image show its values?' : `${n(sessions)} sessions are looked at by a model: does each image show its values?`),
  scoreNone: 'There is no session here.',
  scorer: 'Model',
  demoHint: 'The demo model knows only the shapes and colours of the demo.',
  noScorer: 'There is no model for scoring yet.',
  whereScorers: 'Put the weights of a CLIP model of open_clip (such as ViT-B-32 in a .safetensors file) into ComfyUI’s folder models/clip_vision, or into a folder that “scorer_folders” of SDGen’s settings.json names; sdgen gallery takes --scorers FOLDER. Then look again.',
  lookAgain: 'Look again',
  begin: 'Score',
  cancel: 'Cancel',
  scoring: 'Scoring',
  held: 'Scoring waits while ComfyUI renders',
  loading: (session: string) => `Scoring ${session}: the model is being loaded …`,
  progress: (session: string, done: number, total: number) => `Scoring ${session}: ${n(done)} of ${images(total)}`,
  speed: (rate: string, left: string) => [rate && `${rate} a second`, left && `${left} left`].filter(Boolean).join(' · '),
  waiting: (count: number) => (count === 1 ? '1 more session waits' : `${n(count)} more sessions wait`),
  done: 'Scored.',
  stop: 'End it',
  failures: (count: number) => (count === 1 ? '1 session could not be scored' : `${n(count)} sessions could not be scored`),
  // ---- the trash ----
  stage: 'Failed images to the trash …',
  stageTitle: 'Failed images to the trash',
  stageWhich: 'Which images',
  which: (name: string) => pick(WHICH, name),
  spare: 'Leave out favourites, other marked or rated images, and those with a value that people said OK to',
  spared: (count: number) => (count === 1 ? '1 image is left out' : `${n(count)} are left out`),
  stageFew: (count: number, size: string) => `${images(count)}, ${size}`,
  stageValues: (values: string) => `Their values: ${values}`,
  stageNothing: 'No such image.',
  stageUndo: 'They are only marked as trash, in one step: undo brings all of them back. Files stay until the trash is emptied.',
  stageGo: (count: number) => `Mark ${images(count)} as trash`,
  stageDone: (count: number) => `${images(count)} marked as trash`,
  share: (value: number) => share(value, 'en')
}
