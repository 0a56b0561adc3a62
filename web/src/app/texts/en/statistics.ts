const number = (value: number): string => value.toLocaleString('en')

const pick = (table: Record<string, string>, name: string): string => table[name] ?? name

const TABLES = {
  overview: 'Overview', values: 'Values', failing: 'Top failing', stability: 'Over seeds', impact: 'Impact', 'impact-values': 'Impact of values',
  dead: 'Without effect', pairs: 'Failing pairs', models: 'Models', time: 'Over time', sessions: 'Sessions', machine: 'People and model'
}
const HELP = {
  overview: 'Everything that is found, in numbers. Each number opens its images.',
  values: 'How well each value comes out. The bar is the success rate: ok counts 1, partial a half, failed 0. The line over it is the 95% interval: where the true rate lies with what was judged so far. “Needs” is how many more images to judge until that interval is no wider than 20 points. “No effect” and “unintended” are counted apart.',
  failing: 'The values that most surely fail: those whose interval ends lowest. One bad image of one leaves much open, so that few images do not lead.',
  stability: 'Whether a value works whatever the seed. Each seed counts once, however often it was judged: always from 90% of them on, never up to 10%; under five seeds nobody knows.',
  impact: 'How much an image changes when only this placeholder changes: 0% looks the same, about 50% has nothing in common. Compared are images of one session with the same seed and the same everything else. Only light and dark are looked at: a change of colour alone does not show.',
  'impact-values': 'How much an image changes when it has this value in place of another one of the placeholder. Without effect: nothing to be seen in three images or more. Look at them before you delete a value: a change of colour alone does not show.',
  dead: 'Values without a visible effect, the surest first. Look at them before you delete one: a change of colour alone does not show.',
  pairs: 'Two values that fail together more often than by chance, though each is fine alone. “Times” compares how often both fail in one image with what would be chance; “surely” is what of that is certain: below 1 it may still be chance. The redder, the surer.',
  models: 'How the models did, all values together. Here verdicts are counted, of which an image may have several.',
  time: 'How it went over time, all values together. Here verdicts are counted, of which an image may have several.',
  sessions: 'The sums of each session, the newest first.',
  machine: 'How often the model sees each value, with its 95% interval, beside people’s success rate. Numbers open their images.'
}
const COLUMNS = {
  placeholder: 'Placeholder', text: 'Value', rate: 'Success rate', needs: 'Needs', judged: 'Judged', ok: 'Ok', partial: 'Partial', ko: 'Failed',
  no_effect: 'No effect', unintended: 'Unintended', images: 'Images', works: 'Works', share: 'Share of seeds', seeds: 'Seeds', distance: 'Change',
  values: 'Values', dead: 'Without effect', pairs: 'Compared', first_text: 'Value', second_text: 'With', both_ko: 'Both failed', lift: 'Times',
  lift_low: 'Surely', first_alone: 'First alone', second_alone: 'Second alone', group: 'Group', name: 'Session', started: 'Begun', status: 'Status',
  gone: 'Gone', favourites: 'Favourites', interesting: 'Interesting', trash: 'Trash', failed: 'Failed as a whole', rated: 'Rated', bytes: 'Size',
  model: 'Model', sessions: 'Sessions',
  machine_rate: 'Model', missed: 'Not seen', people: 'People', verdicts: 'Verdicts'
}
const WORDS = {
  always: 'always', sometimes: 'sometimes', never: 'never', unknown: 'not known yet', true: 'yes', false: 'no', completed: 'completed',
  ongoing: 'unfinished', aborted: 'stopped'
}
const PERIODS = { day: 'by day', week: 'by week', month: 'by month' }

export const statistics = {
  title: 'Statistics',
  tables: 'Tables',
  table: (name: string) => pick(TABLES, name),
  help: (name: string) => pick(HELP, name),
  column: (name: string) => pick(COLUMNS, name),
  word: (name: string) => pick(WORDS, name),
  period: (name: string) => pick(PERIODS, name),
  scope: 'Of what',
  ofSession: 'This session',
  ofLibrary: 'Whole library',
  narrowed: (q: string) => `Only: ${q}`,
  widen: 'Without this filter',
  sortBy: (name: string) => `Sort by ${name}`,
  csv: 'CSV',
  csvHint: 'Download this table for a spreadsheet',
  json: 'JSON',
  jsonHint: 'Download this table for a program',
  rate: (rate: string, low: string, high: string, judged: number) => `${rate}, surely between ${low} and ${high}; ${number(judged)} judged`,
  share: (rate: string, low: string, high: string, seeds: number) => `${rate} of the seeds, surely between ${low} and ${high}; ${number(seeds)} seeds`,
  notJudged: 'not judged',
  more: (n: number) => (n ? `${number(n)} more` : 'enough'),
  times: (n: string) => `${n}×`,
  unknown: 'unknown',
  opens: (what: string) => `Show the images: ${what}`,
  statuses: 'Sessions by status',
  modelsUsed: 'Images by model',
  overTime: 'Images over time',
  overTimeOf: (name: string, images: number, rate: string) => `${name}: ${number(images)} images, ${rate}`,
  pairsMap: 'Map of failing pairs',
  pairOf: (first: string, second: string, both: number, images: number) => `${first} with ${second}: both failed in ${number(both)} of ${number(images)}`,
  showMore: (n: number) => `Show ${number(n)} more`,
  empty: 'Nothing has been judged here yet.',
  emptyHint: 'Judge some images: say of each value whether it came out.',
  noImpact: 'No two images could be compared: they have to share a seed and differ in one placeholder only.',
  noImpactHint: 'Make a session that runs its combinations on the same seeds (a seed sweep).',
  noDead: 'Every value that could be compared changes the image.',
  noPairs: 'No pair of values fails together more often than by chance.',
  noPairsHint: 'It takes three images in which both failed. Judge more images to be surer.',
  noFailing: 'No value has failed yet.',
  noImages: 'There are no images here.',
  review: 'Review images',
  train: 'Train …',
  trainFor: (value: string) => `Train a LoRA for ${value}`
}
