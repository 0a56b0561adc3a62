import type { statistics as english } from '../en/statistics'
import type { Same } from '../same'

const number = (value: number): string => value.toLocaleString('fr')

const pick = (table: Record<string, string>, name: string): string => table[name] ?? name
const TABLES = {
  overview: 'Ensemble', values: 'Valeurs', failing: 'Pires valeurs', stability: 'Selon les graines', impact: 'Influence',
  'impact-values': 'Influence des valeurs', dead: 'Sans effet', pairs: 'Paires en échec', models: 'Modèles', time: 'Dans le temps', sessions: 'Sessions',
  machine: 'Humains et modèle'
}
const HELP = {
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
  sessions: 'Les sommes de chaque session, les plus récentes en premier.',
  machine: 'Combien de fois le modèle voit chaque valeur, avec son intervalle à 95 %, à côté du taux de réussite des humains. Les nombres ouvrent leurs images.'
}
const COLUMNS = {
  placeholder: 'Variable', text: 'Valeur', rate: 'Taux de réussite', needs: 'Manque', judged: 'Jugées', ok: 'Réussies', partial: 'Partielles',
  ko: 'Ratées', no_effect: 'Sans effet', unintended: 'Involontaires', images: 'Images', works: 'Marche', share: 'Part des graines', seeds: 'Graines',
  distance: 'Changement', values: 'Valeurs', dead: 'Sans effet', pairs: 'Comparées', first_text: 'Valeur', second_text: 'Avec', both_ko: 'Les deux ratées',
  lift: 'Fois', lift_low: 'Sûrement', first_alone: 'Première seule', second_alone: 'Seconde seule', group: 'Groupe', name: 'Session', started: 'Début',
  status: 'État', gone: 'Disparues', favourites: 'Favorites', interesting: 'Intéressantes', trash: 'Corbeille', failed: 'Ratées en entier',
  rated: 'Notées', bytes: 'Taille', model: 'Modèle', sessions: 'Sessions',
  machine_rate: 'Modèle', missed: 'Pas vu', people: 'Humains', verdicts: 'Verdicts'
}
const WORDS = {
  always: 'toujours', sometimes: 'parfois', never: 'jamais', unknown: 'pas encore connu', true: 'oui', false: 'non', completed: 'terminée',
  ongoing: 'inachevée', aborted: 'arrêtée'
}
const PERIODS = { day: 'par jour', week: 'par semaine', month: 'par mois' }

export const statistics: Same<typeof english> = {
  title: 'Statistiques',
  tables: 'Tableaux',
  table: (name) => pick(TABLES, name),
  help: (name) => pick(HELP, name),
  column: (name) => pick(COLUMNS, name),
  word: (name) => pick(WORDS, name),
  period: (name) => pick(PERIODS, name),
  scope: 'De quoi',
  ofSession: 'Cette session',
  ofLibrary: 'Toute la bibliothèque',
  narrowed: (q) => `Seulement : ${q}`,
  widen: 'Sans ce filtre',
  sortBy: (name) => `Trier par ${name}`,
  csv: 'CSV',
  csvHint: 'Télécharger ce tableau pour un tableur',
  json: 'JSON',
  jsonHint: 'Télécharger ce tableau pour un programme',
  rate: (rate, low, high, judged) => `${rate}, sûrement entre ${low} et ${high} ; ${number(judged)} jugées`,
  share: (rate, low, high, seeds) => `${rate} des graines, sûrement entre ${low} et ${high} ; ${number(seeds)} graines`,
  notJudged: 'pas jugée',
  more: (n) => (n ? `encore ${number(n)}` : 'assez'),
  times: (n) => `${n}×`,
  unknown: 'inconnu',
  opens: (what) => `Montrer les images : ${what}`,
  statuses: 'Sessions par état',
  modelsUsed: 'Images par modèle',
  overTime: 'Images dans le temps',
  overTimeOf: (name, images, rate) => `${name} : ${number(images)} images, ${rate}`,
  pairsMap: 'Carte des paires en échec',
  pairOf: (first, second, both, images) => `${first} avec ${second} : les deux ratées dans ${number(both)} sur ${number(images)}`,
  showMore: (n) => `Montrer ${number(n)} de plus`,
  empty: "Rien n'a encore été jugé ici.",
  emptyHint: 'Jugez quelques images : dites de chaque valeur si elle est réussie.',
  noImpact: "Aucune paire d'images n'a pu être comparée : il faut la même graine et une seule variable qui diffère.",
  noImpactHint: 'Faites une session dont les combinaisons tournent sur les mêmes graines (un balayage de graines).',
  noDead: "Chaque valeur qui a pu être comparée change l'image.",
  noPairs: "Aucune paire de valeurs n'échoue ensemble plus souvent que par hasard.",
  noPairsHint: 'Il faut trois images où les deux ont échoué. Jugez plus d’images pour en être plus sûr.',
  noFailing: "Aucune valeur n'a encore échoué.",
  noImages: "Il n'y a pas d'images ici.",
  review: 'Passer en revue',
  train: 'Entraîner …',
  trainFor: (value) => `Entraîner un LoRA pour ${value}`
}
