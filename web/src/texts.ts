/** Everything the page says, in English and French. A new language is one more object of the same shape. */

export interface Texts {
  images(count: number): string
  combinations(count: number): string
  combinationsOf(count: number, all: number): string
  selected(selected: number, available: number): string
  drawn: string
  drawnTip: string
  drawnFrom(drawn: number, from: number): string
  leftOut: string
  values: string
  valuesTip: string
  valuesOf(name: string): string
  searchValues: string
  all: string
  none: string
  allShown(count: number): string
  noneShown(count: number): string
  invert: string
  asTemplate: string
  drawSome: string
  drawSomeTip: string
  nothingFound: string
  notThere(choice: string, missing: string): string
  notRead(piece: string): string
  leftOutNote(name: string): string
  noPlaceholders: string
  apply: string
  cancel: string
  remove: string
  theme: string
  themeTip: string
  themesOf(name: string): string
  searchThemes: string
  noTheme: string
  defaultStyle: string
  noThemes: string
  readAgain: string
  problems(count: number): string
  importing: string
  importProgress(sessions: number, total: number, images: number): string
  imported: string
  importDone(sessions: number, images: number): string
  seeds(count: number): string
  mode: Record<string, string>
  first: string
  removed(names: string): string
  askingServer: string
  noAnswer: string
  linkedInput(name: string): string
  connectTemplate: string
  otherSource: string
  ready(images: string): string
  oneImage(index: string, session: string): string
  wholeSession: string
  progress(done: number, planned: number): string
  failed(count: number): string
  rate(perMinute: string): string
  left(time: string): string
  state: Record<string, string>
  stateTip: Record<string, string>
  between(least: number, most: number, available: number): string
  sharedBy(themes: string): string
  skipped(count: number): string
  more: string
  moreOf(session: string): string
  pauseFirst: string
  go: string
  extend: string
  extendNote: string
  extendMore: string
  extendSeeds: string
  extended(count: number): string
  shrink: string
  shrinkNote: string
  shrinkTo: string
  shrunk(count: number): string
  skip: string
  skipNote: string
  skipItems: string
  skipFailed: string
  takeBack: string
  leftOutNow(count: number): string
  again(count: number): string
  rename: string
  renameNote: string
  newName: string
  renamed(name: string): string
  move: string
  moveNote: string
  moveTo: string
  moved(folder: string): string
  verify: string
  verifyNote: string
  verifyHashes: string
  verifyRepair: string
  agree: string
  disagree: string
  found: Record<string, string>
  rebuild: string
  rebuildNote: string
  rebuilt(done: number, planned: number): string
  compare: string
  across: string
  down: string
  openPage: string
  savePicture: string
  drawing: string
  pause: string
  resume: string
  retry: string
  stop: string
  modelLoads(count: number): string
  takesAbout(time: string, like: string): string
  action: Record<string, (added: number) => string>
  completedToast(name: string): string
  failedToast(name: string): string
  pausedToast(name: string): string
  madeOf(done: number, planned: number): string
  seconds(count: number): string
  minutes(count: number): string
  hours(hours: number, minutes: number): string
}

const en = {
  images: (n) => `${number(n, 'en')} ${n === 1 ? 'image' : 'images'}`,
  combinations: (n) => `${number(n, 'en')} ${n === 1 ? 'combination' : 'combinations'}`,
  combinationsOf: (n, all) => `${number(n, 'en')} of ${number(all, 'en')} combinations`,
  selected: (n, all) => (n === all ? number(n, 'en') : `${number(n, 'en')} of ${number(all, 'en')}`),
  drawn: 'drawn',
  drawnTip: 'Not combined with the others: one value is drawn for each image.',
  drawnFrom: (n, from) => `${number(n, 'en')} drawn from ${number(from, 'en')}`,
  leftOut: 'left out',
  values: 'Values …',
  valuesTip: 'Choose the values of each placeholder',
  valuesOf: (name) => `Values of ${name}`,
  searchValues: 'Search keys and texts',
  all: 'All',
  none: 'None',
  allShown: (n) => `All ${number(n, 'en')} found`,
  noneShown: (n) => `None of ${number(n, 'en')} found`,
  invert: 'Invert',
  asTemplate: 'As in the template',
  drawSome: 'Draw at random',
  drawSomeTip: 'Draws so many of the chosen values for the session, the same ones each time it runs with the same seed.',
  nothingFound: 'No value matches.',
  notThere: (choice, missing) => `${choice}: the template has no ${missing}.`,
  notRead: (piece) => `“${piece}” cannot be read and will be dropped.`,
  leftOutNote: (name) => `Without a value, ${name} is left out of the prompt.`,
  noPlaceholders: 'This template has no placeholders.',
  apply: 'Apply',
  cancel: 'Cancel',
  remove: 'Remove',
  theme: 'Theme …',
  themeTip: 'Choose a theme and a style',
  themesOf: (name) => `Themes of ${name}`,
  searchThemes: 'Search themes, styles and tags',
  noTheme: 'No theme',
  defaultStyle: 'default style',
  noThemes: 'This template has no themes.',
  readAgain: 'Read the template folders again',
  problems: (n) => `${number(n, 'en')} problems`,
  importing: 'Looking for new sessions …',
  importProgress: (n, total, images) => `${number(n, 'en')} of ${number(total, 'en')} sessions, ${number(images, 'en')} images`,
  imported: 'Sessions imported',
  importDone: (n, images) => `${number(n, 'en')} ${n === 1 ? 'session' : 'sessions'}, ${number(images, 'en')} new or changed ${images === 1 ? 'image' : 'images'}`,
  seeds: (n) => `${number(n, 'en')} ${n === 1 ? 'seed' : 'seeds'}`,
  mode: { combinatorial: 'combinatorial', random: 'random' },
  first: 'The first prompts',
  removed: (names) => `Removed by the theme: ${names}`,
  askingServer: 'Reading the template …',
  noAnswer: 'The server does not answer',
  linkedInput: (name) => `“${name}” comes from another node, so it is known only when it runs.`,
  connectTemplate: 'Connect an SDGen Template to see what will be made.',
  otherSource: 'The template comes from a node that cannot be read before it runs.',
  ready: (images) => `Run makes ${images}`,
  oneImage: (index, session) => `Set to one image: #${index} of session ${session}`,
  wholeSession: 'Run the whole session again',
  progress: (done, planned) => `${number(done, 'en')} of ${number(planned, 'en')} images`,
  failed: (n) => `${number(n, 'en')} failed`,
  rate: (perMinute) => `${perMinute} a minute`,
  left: (time) => `${time} left`,
  state: { planned: 'planned', running: 'running', paused: 'paused', completed: 'completed', failed: 'failed', stopped: 'stopped' },
  stateTip: {
    planned: 'It waits in line and starts by itself.',
    running: 'Its images are being made.',
    paused: 'Resume goes on with what is left.',
    completed: 'All of its images are there.',
    failed: 'It came to its end, but some images failed.',
    stopped: 'It was ended before its end; Resume takes it up again.'
  },
  between: (least, most, all) => `${number(least, 'en')}–${number(most, 'en')} of ${number(all, 'en')}`,
  sharedBy: (themes) => `Themes: ${themes}`,
  skipped: (n) => `${number(n, 'en')} left out`,
  more: 'More …',
  moreOf: (session) => `More for session ${session}`,
  pauseFirst: 'Pause the session first.',
  go: 'Do it',
  extend: 'Extend …',
  extendNote: 'Images that are there stay as they are. Say either how many more, or which further seeds.',
  extendMore: 'More images of its own plan',
  extendSeeds: 'All combinations on further seeds (1-4, 7,42, 20#1000)',
  extended: (n) => `${number(n, 'en')} ${n === 1 ? 'image' : 'images'} added`,
  shrink: 'Plan fewer …',
  shrinkNote: 'Keeps the first images of the plan. What is made already stays.',
  shrinkTo: 'Images to keep planned',
  shrunk: (n) => `${number(n, 'en')} ${n === 1 ? 'image' : 'images'} taken out of the plan`,
  skip: 'Leave out …',
  skipNote: 'Leaves out images that are still to be made or have failed. “Take back what was left out” undoes it.',
  skipItems: 'Numbers of images, from 0 (5,7-9)',
  skipFailed: 'Leave out failed',
  takeBack: 'Take back what was left out',
  leftOutNow: (n) => `${number(n, 'en')} ${n === 1 ? 'image' : 'images'} left out`,
  again: (n) => `${number(n, 'en')} ${n === 1 ? 'image' : 'images'} to be made again`,
  rename: 'Rename …',
  renameNote: 'Its folder gets the new name too; its files keep theirs.',
  newName: 'New name',
  renamed: (name) => `Renamed to ${name}`,
  move: 'Move …',
  moveNote: 'Moves its folder, also to another disk. The places are ComfyUI’s output and the setting session_folders.',
  moveTo: 'To',
  moved: (folder) => `Moved to ${folder}`,
  verify: 'Verify …',
  verifyNote: 'Compares files, manifest and ledger.',
  verifyHashes: 'Read every file and compare its hash',
  verifyRepair: 'First write the manifest anew from what is there',
  agree: 'Files, manifest and ledger agree.',
  disagree: 'Files, manifest and ledger do not agree.',
  found: {
    missing: 'missing',
    extra: 'not in the manifest',
    torn: 'damaged',
    mismatched: 'changed',
    problems: 'problems',
    done_without_file: 'made, but gone'
  },
  rebuild: 'Rebuild …',
  rebuildNote: 'Makes its manifest and its entries in the ledger anew from the images in its folder.',
  rebuilt: (done, planned) => `Rebuilt: ${number(done, 'en')} of ${number(planned, 'en')} images found`,
  compare: 'Compare …',
  across: 'Across',
  down: 'Down',
  openPage: 'Open as a page',
  savePicture: 'Save the picture',
  drawing: 'Drawing the sheet …',
  pause: 'Pause',
  resume: 'Resume',
  retry: 'Retry failed',
  stop: 'Stop',
  modelLoads: (n) => `${number(n, 'en')} model loads`,
  takesAbout: (time, like) => `about ${time}, as session ${like} went`,
  action: {
    extended: (added) => `${number(added, 'en')} ${added === 1 ? 'image' : 'images'} added`,
    complete: () => 'All of its images are there. For another session, set “on existing” to new.'
  },
  completedToast: (name) => `Session ${name} is complete`,
  failedToast: (name) => `Session ${name} ended with errors`,
  pausedToast: (name) => `Session ${name} is paused`,
  madeOf: (done, planned) => `${number(done, 'en')} of ${number(planned, 'en')} images made`,
  seconds: (n) => `${n} s`,
  minutes: (n) => `${n} min`,
  hours: (h, m) => `${h} h ${m} min`
} satisfies Texts

const fr = {
  images: (n) => `${number(n, 'fr')} ${n < 2 ? 'image' : 'images'}`,
  combinations: (n) => `${number(n, 'fr')} ${n < 2 ? 'combinaison' : 'combinaisons'}`,
  combinationsOf: (n, all) => `${number(n, 'fr')} combinaisons sur ${number(all, 'fr')}`,
  selected: (n, all) => (n === all ? number(n, 'fr') : `${number(n, 'fr')} sur ${number(all, 'fr')}`),
  drawn: 'tirage',
  drawnTip: 'Pas combiné avec les autres : une valeur est tirée pour chaque image.',
  drawnFrom: (n, from) => `${number(n, 'fr')} tirées de ${number(from, 'fr')}`,
  leftOut: 'omise',
  values: 'Valeurs …',
  valuesTip: 'Choisir les valeurs de chaque variable',
  valuesOf: (name) => `Valeurs de ${name}`,
  searchValues: 'Chercher dans les clés et les textes',
  all: 'Toutes',
  none: 'Aucune',
  allShown: (n) => `Les ${number(n, 'fr')} trouvées`,
  noneShown: (n) => `Aucune des ${number(n, 'fr')} trouvées`,
  invert: 'Inverser',
  asTemplate: 'Comme dans le gabarit',
  drawSome: 'Tirer au hasard',
  drawSomeTip: 'Tire ce nombre de valeurs parmi celles choisies pour la session, les mêmes à chaque exécution avec la même graine.',
  nothingFound: 'Aucune valeur ne correspond.',
  notThere: (choice, missing) => `${choice} : le gabarit n’a pas ${missing}.`,
  notRead: (piece) => `« ${piece} » est illisible et sera abandonné.`,
  leftOutNote: (name) => `Sans valeur, ${name} est omise du prompt.`,
  noPlaceholders: 'Ce gabarit n’a pas de variables.',
  apply: 'Appliquer',
  cancel: 'Annuler',
  remove: 'Retirer',
  theme: 'Thème …',
  themeTip: 'Choisir un thème et un style',
  themesOf: (name) => `Thèmes de ${name}`,
  searchThemes: 'Chercher un thème, un style ou une étiquette',
  noTheme: 'Aucun thème',
  defaultStyle: 'style par défaut',
  noThemes: 'Ce gabarit n’a pas de thèmes.',
  readAgain: 'Relire les dossiers de gabarits',
  problems: (n) => `${number(n, 'fr')} problèmes`,
  importing: 'Recherche de nouvelles sessions …',
  importProgress: (n, total, images) => `${number(n, 'fr')} sessions sur ${number(total, 'fr')}, ${number(images, 'fr')} images`,
  imported: 'Sessions importées',
  importDone: (n, images) =>
    `${number(n, 'fr')} ${n < 2 ? 'session' : 'sessions'}, ${number(images, 'fr')} ${images < 2 ? 'image nouvelle ou modifiée' : 'images nouvelles ou modifiées'}`,
  seeds: (n) => `${number(n, 'fr')} ${n < 2 ? 'graine' : 'graines'}`,
  mode: { combinatorial: 'combinatoire', random: 'aléatoire' },
  first: 'Les premiers prompts',
  removed: (names) => `Retirés par le thème : ${names}`,
  askingServer: 'Lecture du gabarit …',
  noAnswer: 'Le serveur ne répond pas',
  linkedInput: (name) => `« ${name} » vient d’un autre nœud et n’est connu qu’à l’exécution.`,
  connectTemplate: 'Reliez un Gabarit SDGen pour voir ce qui sera produit.',
  otherSource: 'Le gabarit vient d’un nœud qui ne peut pas être lu avant l’exécution.',
  ready: (images) => `Exécuter produira ${images}`,
  oneImage: (index, session) => `Réglé sur une seule image : n° ${index} de la session ${session}`,
  wholeSession: 'Relancer toute la session',
  progress: (done, planned) => `${number(done, 'fr')} images sur ${number(planned, 'fr')}`,
  failed: (n) => `${number(n, 'fr')} ${n < 2 ? 'échec' : 'échecs'}`,
  rate: (perMinute) => `${perMinute} par minute`,
  left: (time) => `encore ${time}`,
  state: { planned: 'prévue', running: 'en cours', paused: 'en pause', completed: 'terminée', failed: 'échouée', stopped: 'arrêtée' },
  stateTip: {
    planned: 'Elle attend son tour et démarrera seule.',
    running: 'Ses images sont en cours de production.',
    paused: 'Reprendre continue avec ce qui reste.',
    completed: 'Toutes ses images sont là.',
    failed: 'Elle est arrivée au bout, mais des images ont échoué.',
    stopped: 'Elle a été arrêtée avant la fin ; Reprendre la relance.'
  },
  between: (least, most, all) => `${number(least, 'fr')} à ${number(most, 'fr')} sur ${number(all, 'fr')}`,
  sharedBy: (themes) => `Thèmes : ${themes}`,
  skipped: (n) => `${number(n, 'fr')} ${n < 2 ? 'laissée' : 'laissées'} de côté`,
  more: 'Plus …',
  moreOf: (session) => `Plus pour la session ${session}`,
  pauseFirst: 'Mettez d’abord la session en pause.',
  go: 'Exécuter',
  extend: 'Prolonger …',
  extendNote: 'Les images déjà là ne changent pas. Indiquez soit leur nombre, soit d’autres graines.',
  extendMore: 'Images de plus de son propre plan',
  extendSeeds: 'Toutes les combinaisons avec d’autres graines (1-4, 7,42, 20#1000)',
  extended: (n) => `${number(n, 'fr')} ${n < 2 ? 'image ajoutée' : 'images ajoutées'}`,
  shrink: 'Réduire le plan …',
  shrinkNote: 'Garde les premières images du plan. Ce qui est déjà produit reste.',
  shrinkTo: 'Images à garder dans le plan',
  shrunk: (n) => `${number(n, 'fr')} ${n < 2 ? 'image retirée' : 'images retirées'} du plan`,
  skip: 'Laisser de côté …',
  skipNote: 'Laisse de côté des images à faire ou échouées. « Reprendre les images laissées de côté » l’annule.',
  skipItems: 'Numéros d’images, à partir de 0 (5,7-9)',
  skipFailed: 'Laisser les échecs de côté',
  takeBack: 'Reprendre les images laissées de côté',
  leftOutNow: (n) => `${number(n, 'fr')} ${n < 2 ? 'image laissée' : 'images laissées'} de côté`,
  again: (n) => `${number(n, 'fr')} ${n < 2 ? 'image' : 'images'} à refaire`,
  rename: 'Renommer …',
  renameNote: 'Son dossier prend aussi le nouveau nom ; ses fichiers gardent le leur.',
  newName: 'Nouveau nom',
  renamed: (name) => `Renommée en ${name}`,
  move: 'Déplacer …',
  moveNote: 'Déplace son dossier, même vers un autre disque. Les lieux sont le dossier de sortie de ComfyUI et le réglage session_folders.',
  moveTo: 'Vers',
  moved: (folder) => `Déplacée vers ${folder}`,
  verify: 'Vérifier …',
  verifyNote: 'Compare les fichiers, le manifeste et le registre.',
  verifyHashes: 'Lire chaque fichier et comparer son empreinte',
  verifyRepair: 'Réécrire d’abord le manifeste d’après ce qui est là',
  agree: 'Fichiers, manifeste et registre concordent.',
  disagree: 'Fichiers, manifeste et registre ne concordent pas.',
  found: {
    missing: 'manquants',
    extra: 'absents du manifeste',
    torn: 'endommagés',
    mismatched: 'modifiés',
    problems: 'problèmes',
    done_without_file: 'produites, mais disparues'
  },
  rebuild: 'Reconstruire …',
  rebuildNote: 'Refait son manifeste et ses entrées du registre d’après les images de son dossier.',
  rebuilt: (done, planned) => `Reconstruite : ${number(done, 'fr')} images trouvées sur ${number(planned, 'fr')}`,
  compare: 'Comparer …',
  across: 'En colonnes',
  down: 'En lignes',
  openPage: 'Ouvrir comme page',
  savePicture: 'Enregistrer l’image',
  drawing: 'Dessin de la planche …',
  pause: 'Pause',
  resume: 'Reprendre',
  retry: 'Refaire les échecs',
  stop: 'Arrêter',
  modelLoads: (n) => `${number(n, 'fr')} chargements de modèles`,
  takesAbout: (time, like) => `environ ${time}, d’après la session ${like}`,
  action: {
    extended: (added) => `${number(added, 'fr')} ${added < 2 ? 'image ajoutée' : 'images ajoutées'}`,
    complete: () => 'Toutes ses images sont là. Pour une autre session, réglez « si elle existe » sur new.'
  },
  completedToast: (name) => `La session ${name} est terminée`,
  failedToast: (name) => `La session ${name} s’est terminée avec des erreurs`,
  pausedToast: (name) => `La session ${name} est en pause`,
  madeOf: (done, planned) => `${number(done, 'fr')} images produites sur ${number(planned, 'fr')}`,
  seconds: (n) => `${n} s`,
  minutes: (n) => `${n} min`,
  hours: (h, m) => `${h} h ${m} min`
} satisfies Texts

export const LANGUAGES: Record<string, Texts> = { en, fr }

/** The texts in a language; English where there is no translation. */
export function textsIn(language: string): Texts {
  return LANGUAGES[language.split('-')[0] ?? ''] ?? en
}

/** A number with the thousands separators of a language. */
export function number(value: number, language: string): string {
  return value.toLocaleString(language, { maximumFractionDigits: 1 })
}

/** A duration as people say it, from seconds: `24 s`, `3 min`, `2 h 10 min`. */
export function duration(seconds: number, texts: Texts): string {
  if (seconds < 90) return texts.seconds(Math.round(seconds))
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? texts.minutes(minutes) : texts.hours(Math.floor(minutes / 60), minutes % 60)
}
