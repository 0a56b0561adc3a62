import type { Same } from './shell'

const pick = (table: Record<string, string>, name: string): string => table[name] ?? name

const TABLES_EN = {
  overview: 'Overview', values: 'Values', failing: 'Top failing', stability: 'Over seeds', impact: 'Impact', 'impact-values': 'Impact of values',
  dead: 'Without effect', pairs: 'Failing pairs', models: 'Models', time: 'Over time', sessions: 'Sessions'
} // prettier-ignore
const TABLES_FR = {
  overview: 'Ensemble', values: 'Valeurs', failing: 'Pires valeurs', stability: 'Selon les graines', impact: 'Influence',
  'impact-values': 'Influence des valeurs', dead: 'Sans effet', pairs: 'Paires en échec', models: 'Modèles', time: 'Dans le temps', sessions: 'Sessions'
} // prettier-ignore
const HELP_EN = {
  overview: 'Everything that is found, in numbers. Each number opens its images.',
  values: 'How well each value comes out. The bar is the success rate: ok counts 1, partial a half, failed 0. The line over it is the 95 % interval: where the true rate lies with what was judged so far. “Needs” is how many more images to judge until that interval is no wider than 20 points. “No effect” and “unintended” are counted apart.',
  failing: 'The values that most surely fail: those whose interval ends lowest. One bad image of one leaves much open, so that few images do not lead.',
  stability: 'Whether a value works whatever the seed. Each seed counts once, however often it was judged: always from 90 % of them on, never up to 10 %; under five seeds nobody knows.',
  impact: 'How much an image changes when only this placeholder changes: 0 % looks the same, about 50 % has nothing in common. Compared are images of one session with the same seed and the same everything else. Only light and dark are looked at: a change of colour alone does not show.',
  'impact-values': 'How much an image changes when it has this value in place of another one of the placeholder. Without effect: nothing to be seen in three images or more. Look at them before you delete a value: a change of colour alone does not show.',
  dead: 'Values without a visible effect, the surest first. Look at them before you delete one: a change of colour alone does not show.',
  pairs: 'Two values that fail together more often than by chance, though each is fine alone. “Times” compares how often both fail in one image with what would be chance; “surely” is what of that is certain: below 1 it may still be chance. The redder, the surer.',
  models: 'How the models did, all values together. Here verdicts are counted, of which an image may have several.',
  time: 'How it went over time, all values together. Here verdicts are counted, of which an image may have several.',
  sessions: 'The sums of each session, the newest first.'
} // prettier-ignore
const HELP_FR = {
  overview: 'Tout ce qui est trouvé, en nombres. Chaque nombre ouvre ses images.',
  values: "Comment chaque valeur réussit. La barre est le taux de réussite : réussi compte 1, partiel un demi, raté 0. Le trait au-dessus est l'intervalle à 95 % : où se trouve le vrai taux d'après ce qui a été jugé. « Manque » est le nombre d'images à juger encore pour que cet intervalle ne dépasse pas 20 points. « Sans effet » et « involontaire » sont comptés à part.",
  failing: "Les valeurs qui échouent le plus sûrement : celles dont l'intervalle finit le plus bas. Une mauvaise image sur une laisse beaucoup ouvert : peu d'images ne suffisent pas à être en tête.",
  stability: "Si une valeur marche quelle que soit la graine. Chaque graine compte une fois : toujours à partir de 90 %, jamais jusqu'à 10 % ; sous cinq graines, on ne sait pas.",
  impact: "Combien l'image change quand seule cette variable change : 0 % se ressemble, environ 50 % n'a rien en commun. On compare les images d'une session de même graine et de mêmes réglages. Seuls le clair et le sombre comptent : un changement de couleur ne se voit pas.",
  'impact-values': "Combien l'image change quand elle a cette valeur au lieu d'une autre. Sans effet : rien à voir dans trois images ou plus. Regardez-les avant d'effacer une valeur : un changement de couleur ne se voit pas.",
  dead: "Les valeurs sans effet visible, les plus sûres d'abord. Regardez-les avant d'en effacer une : un changement de couleur ne se voit pas.",
  pairs: "Deux valeurs qui échouent ensemble plus souvent que par hasard, bien que chacune réussisse seule. « Fois » compare avec le hasard ; « sûrement » est ce qui en est certain : sous 1, ce peut être le hasard. Plus c'est rouge, plus c'est sûr.",
  models: 'Les modèles, toutes valeurs ensemble. Ici on compte les jugements, dont une image peut avoir plusieurs.',
  time: 'Dans le temps, toutes valeurs ensemble. Ici on compte les jugements, dont une image peut avoir plusieurs.',
  sessions: 'Les sommes de chaque session, les plus récentes en premier.'
} // prettier-ignore
const COLUMNS_EN = {
  placeholder: 'Placeholder', text: 'Value', rate: 'Success rate', needs: 'Needs', judged: 'Judged', ok: 'Ok', partial: 'Partial', ko: 'Failed',
  no_effect: 'No effect', unintended: 'Unintended', images: 'Images', works: 'Works', share: 'Share of seeds', seeds: 'Seeds', distance: 'Change',
  values: 'Values', dead: 'Without effect', pairs: 'Compared', first_text: 'Value', second_text: 'With', both_ko: 'Both failed', lift: 'Times',
  lift_low: 'Surely', first_alone: 'First alone', second_alone: 'Second alone', group: 'Group', name: 'Session', started: 'Begun', status: 'Status',
  gone: 'Gone', favourites: 'Favourites', interesting: 'Interesting', trash: 'Trash', failed: 'Failed as a whole', rated: 'Rated', bytes: 'Size',
  model: 'Model', sessions: 'Sessions'
} // prettier-ignore
const COLUMNS_FR = {
  placeholder: 'Variable', text: 'Valeur', rate: 'Taux de réussite', needs: 'Manque', judged: 'Jugées', ok: 'Réussies', partial: 'Partielles',
  ko: 'Ratées', no_effect: 'Sans effet', unintended: 'Involontaires', images: 'Images', works: 'Marche', share: 'Part des graines', seeds: 'Graines',
  distance: 'Changement', values: 'Valeurs', dead: 'Sans effet', pairs: 'Comparées', first_text: 'Valeur', second_text: 'Avec', both_ko: 'Les deux ratées',
  lift: 'Fois', lift_low: 'Sûrement', first_alone: 'Première seule', second_alone: 'Seconde seule', group: 'Groupe', name: 'Session', started: 'Début',
  status: 'État', gone: 'Disparues', favourites: 'Favorites', interesting: 'Intéressantes', trash: 'Corbeille', failed: 'Ratées en entier',
  rated: 'Notées', bytes: 'Taille', model: 'Modèle', sessions: 'Sessions'
} // prettier-ignore
const WORDS_EN = {
  always: 'always', sometimes: 'sometimes', never: 'never', unknown: 'not known yet', true: 'yes', false: 'no', completed: 'completed',
  ongoing: 'unfinished', aborted: 'stopped'
} // prettier-ignore
const WORDS_FR = {
  always: 'toujours', sometimes: 'parfois', never: 'jamais', unknown: 'pas encore connu', true: 'oui', false: 'non', completed: 'terminée',
  ongoing: 'inachevée', aborted: 'arrêtée'
} // prettier-ignore
const PERIODS_EN = { day: 'by day', week: 'by week', month: 'by month' }
const PERIODS_FR = { day: 'par jour', week: 'par semaine', month: 'par mois' }

export const en = {
  title: 'Statistics',
  tables: 'Tables',
  table: (name: string) => pick(TABLES_EN, name),
  help: (name: string) => pick(HELP_EN, name),
  column: (name: string) => pick(COLUMNS_EN, name),
  word: (name: string) => pick(WORDS_EN, name),
  period: (name: string) => pick(PERIODS_EN, name),
  scope: 'Of what',
  ofSession: 'This session',
  ofLibrary: 'Whole library',
  narrowed: (q: string) => `Only: ${q}`,
  widen: 'Without this filter',
  sortBy: (name: string) => `Sort by ${name}`,
  csv: 'CSV',
  csvHint: 'Download this table for a spreadsheet',
  rate: (rate: string, low: string, high: string, judged: number) => `${rate}, surely between ${low} and ${high}; ${String(judged)} judged`,
  share: (rate: string, low: string, high: string, seeds: number) => `${rate} of the seeds, surely between ${low} and ${high}; ${String(seeds)} seeds`,
  notJudged: 'not judged',
  more: (n: number) => (n ? `${String(n)} more` : 'enough'),
  times: (n: string) => `${n}×`,
  unknown: 'unknown',
  opens: (what: string) => `Show the images: ${what}`,
  statuses: 'Sessions by status',
  modelsUsed: 'Images by model',
  overTime: 'Images over time',
  overTimeOf: (name: string, images: number, rate: string) => `${name}: ${String(images)} images, ${rate}`,
  pairsMap: 'Map of failing pairs',
  pairOf: (first: string, second: string, both: number, images: number) => `${first} with ${second}: both failed in ${String(both)} of ${String(images)}`,
  showMore: (n: number) => `Show ${String(n)} more`,
  empty: 'Nothing has been judged here yet.',
  emptyHint: 'Judge some images: say of each value whether it came out.',
  noImpact: 'No two images could be compared: they have to share a seed and differ in one placeholder only.',
  noImpactHint: 'Make a session that runs its combinations on the same seeds (a seed sweep).',
  noDead: 'Every value that could be compared changes the image.',
  noPairs: 'No pair of values fails together more often than by chance.',
  noPairsHint: 'It takes three images in which both failed. Judge more images to be surer.',
  noFailing: 'No value has failed yet.',
  noImages: 'There are no images here.',
  review: 'Review images'
}

export const fr: Same<typeof en> = {
  title: 'Statistiques',
  tables: 'Tableaux',
  table: (name) => pick(TABLES_FR, name),
  help: (name) => pick(HELP_FR, name),
  column: (name) => pick(COLUMNS_FR, name),
  word: (name) => pick(WORDS_FR, name),
  period: (name) => pick(PERIODS_FR, name),
  scope: 'De quoi',
  ofSession: 'Cette session',
  ofLibrary: 'Toute la bibliothèque',
  narrowed: (q) => `Seulement : ${q}`,
  widen: 'Sans ce filtre',
  sortBy: (name) => `Trier par ${name}`,
  csv: 'CSV',
  csvHint: 'Télécharger ce tableau pour un tableur',
  rate: (rate, low, high, judged) => `${rate}, sûrement entre ${low} et ${high} ; ${String(judged)} jugées`,
  share: (rate, low, high, seeds) => `${rate} des graines, sûrement entre ${low} et ${high} ; ${String(seeds)} graines`,
  notJudged: 'pas jugée',
  more: (n) => (n ? `encore ${String(n)}` : 'assez'),
  times: (n) => `${n}×`,
  unknown: 'inconnu',
  opens: (what) => `Montrer les images : ${what}`,
  statuses: 'Sessions par état',
  modelsUsed: 'Images par modèle',
  overTime: 'Images dans le temps',
  overTimeOf: (name, images, rate) => `${name} : ${String(images)} images, ${rate}`,
  pairsMap: 'Carte des paires en échec',
  pairOf: (first, second, both, images) => `${first} avec ${second} : les deux ratées dans ${String(both)} sur ${String(images)}`,
  showMore: (n) => `Montrer ${String(n)} de plus`,
  empty: "Rien n'a encore été jugé ici.",
  emptyHint: 'Jugez quelques images : dites de chaque valeur si elle est réussie.',
  noImpact: "Aucune paire d'images n'a pu être comparée : il faut la même graine et une seule variable qui diffère.",
  noImpactHint: 'Faites une session dont les combinaisons tournent sur les mêmes graines (un balayage de graines).',
  noDead: "Chaque valeur qui a pu être comparée change l'image.",
  noPairs: "Aucune paire de valeurs n'échoue ensemble plus souvent que par hasard.",
  noPairsHint: 'Il faut trois images où les deux ont échoué. Jugez plus d’images pour en être plus sûr.',
  noFailing: "Aucune valeur n'a encore échoué.",
  noImages: "Il n'y a pas d'images ici.",
  review: 'Passer en revue'
}
