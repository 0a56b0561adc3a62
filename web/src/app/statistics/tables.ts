/** Which tables there are, their columns, and the order of their rows. */

import type { components } from '../openapi'
import { behindSum, judgedSo, ofModel, ofPeriod, ofPlaceholder, pairJudged, someJudged, toJudge, withValue } from './links'

type Schemas = components['schemas']
export type Totals = Schemas['TotalsRow']
export type Session = Schemas['SessionRow']
export type Success = Schemas['SuccessRow']
export type Stability = Schemas['StabilityRow']
export type Impact = Schemas['ImpactRow']
export type ValueImpact = Schemas['ValueImpactRow']
export type PairRow = Schemas['PairRow']
export type Row = Session | Success | Stability | Impact | ValueImpact | PairRow

export const TABLES = ['overview', 'values', 'failing', 'stability', 'impact', 'impact-values', 'dead', 'pairs', 'models', 'time', 'sessions', 'machine'] as const
export type Table = (typeof TABLES)[number]

/** How a cell is shown: `bar` is a rate with its interval, `share` a percentage without one. */
export type Kind = 'text' | 'number' | 'bar' | 'share' | 'word' | 'date' | 'bytes' | 'times' | 'status'

export interface Column {
  name: string
  kind: Kind
  /** Where the number leads: a query, in the session of the row if it is one. */
  query?: (row: never) => string
}

const column = (name: string, kind: Kind = 'number', query?: (row: never) => string): Column => ({ name, kind, ...(query && { query }) })

const counts = (['ok', 'partial', 'ko'] as const).map((name) =>
  column(name, 'number', (row: Success) => (row.placeholder ? judgedSo(row.placeholder, row.key ?? '', name) : ''))
)
const successes: Column[] = [
  column('placeholder', 'text'),
  column('text', 'text', (row: Success) => withValue(row.placeholder ?? '', row.key ?? '')),
  column('rate', 'bar', (row: Success) => judgedSo(row.placeholder ?? '', row.key ?? '', 'ok,partial,ko')),
  column('needs', 'number', (row: Success) => toJudge(row.placeholder ?? '', row.key ?? '')),
  column('judged', 'number', (row: Success) => judgedSo(row.placeholder ?? '', row.key ?? '', 'ok,partial,ko')),
  ...counts,
  column('no_effect', 'number', (row: Success) => judgedSo(row.placeholder ?? '', row.key ?? '', 'no-effect')),
  column('unintended', 'number', (row: Success) => judgedSo(row.placeholder ?? '', row.key ?? '', 'unintended')),
  column('images', 'number', (row: Success) => withValue(row.placeholder ?? '', row.key ?? ''))
]
/** Of groups verdicts are counted, of which an image may have several: there are fewer images behind them. */
const groups = (query: (name: string) => string): Column[] => [
  column('group', 'text', (row: Success) => query(row.group ?? '')),
  column('rate', 'bar', (row: Success) => someJudged(query(row.group ?? ''), 'ok,partial,ko')),
  column('needs'),
  column('judged', 'number', (row: Success) => someJudged(query(row.group ?? ''), 'ok,partial,ko')),
  ...(['ok', 'partial', 'ko'] as const).map((name) => column(name, 'number', (row: Success) => someJudged(query(row.group ?? ''), name))),
  column('images', 'number', (row: Success) => query(row.group ?? ''))
]
const impacts: Column[] = [
  column('placeholder', 'text'),
  column('text', 'text', (row: ValueImpact) => withValue(row.placeholder, row.key)),
  column('distance', 'share', (row: ValueImpact) => withValue(row.placeholder, row.key)),
  column('dead', 'word'),
  column('images', 'number', (row: ValueImpact) => withValue(row.placeholder, row.key)),
  column('pairs', 'number', (row: ValueImpact) => withValue(row.placeholder, row.key))
]
const sums = ['images', 'gone', 'judged', 'favourites', 'interesting', 'trash', 'failed', 'rated'].map((name) => column(name, 'number', () => behindSum(name)))

export const COLUMNS: Record<Exclude<Table, 'overview'>, Column[]> = {
  values: successes,
  failing: successes,
  stability: [
    column('placeholder', 'text'),
    column('text', 'text', (row: Stability) => withValue(row.placeholder, row.key)),
    column('works', 'word'),
    column('share', 'bar', (row: Stability) => judgedSo(row.placeholder, row.key, 'ok,partial,ko')),
    column('seeds', 'number', (row: Stability) => judgedSo(row.placeholder, row.key, 'ok,partial,ko')),
    column('judged', 'number', (row: Stability) => judgedSo(row.placeholder, row.key, 'ok,partial,ko'))
  ],
  impact: [
    column('placeholder', 'text', (row: Impact) => ofPlaceholder(row.placeholder)),
    column('distance', 'share', (row: Impact) => ofPlaceholder(row.placeholder)),
    ...['values', 'dead', 'pairs'].map((name) => column(name, 'number', (row: Impact) => ofPlaceholder(row.placeholder)))
  ],
  'impact-values': impacts,
  dead: impacts,
  pairs: [
    column('first_text', 'text', (row: PairRow) => withValue(row.first_placeholder, row.first_key)),
    column('second_text', 'text', (row: PairRow) => withValue(row.second_placeholder, row.second_key)),
    column('both_ko', 'number', (row: PairRow) => pairJudged(row, 'ko', 'ko')),
    column('images', 'number', (row: PairRow) => pairJudged(row, 'ok,partial,ko', 'ok,partial,ko')),
    column('lift', 'times', (row: PairRow) => pairJudged(row, 'ko', 'ko')),
    column('lift_low', 'times', (row: PairRow) => pairJudged(row, 'ko', 'ko')),
    column('first_alone', 'share', (row: PairRow) => judgedSo(row.first_placeholder, row.first_key, 'ok,partial,ko')),
    column('second_alone', 'share', (row: PairRow) => judgedSo(row.second_placeholder, row.second_key, 'ok,partial,ko'))
  ],
  // Where they lead depends on the settings: see `scoring/MachineTables`.
  machine: [column('placeholder', 'text'), column('text', 'text'), column('machine_rate', 'bar'), column('missed'), column('people', 'share'), column('verdicts'), column('images')],
  models: groups(ofModel),
  time: groups(ofPeriod),
  sessions: [column('name', 'text', () => behindSum('images')), column('started', 'date'), column('status', 'status'), ...sums, column('bytes', 'bytes', () => behindSum('images')), column('model', 'text', (row: Session) => ofModel(row.model ?? ''))]
}

/** The table's name at the server, and its groups. */
export function asked(table: Table, period: string): { name: string; by: string | null } {
  if (table === 'overview') return { name: 'totals', by: null }
  if (table === 'models') return { name: 'groups', by: 'model' }
  if (table === 'time') return { name: 'groups', by: period }
  return { name: table, by: null }
}

// ---- what the address says -------------------------------------------------------------------------------------------------

export const PERIODS = ['day', 'week', 'month'] as const

/** Which table, in which order (a column, `-` before it for the greatest first; empty: the server's), by which period. */
export interface Shown {
  table: Table
  sort: string
  period: (typeof PERIODS)[number]
}

export function readTable(text: string): Shown {
  const [name = '', sort = '', by = ''] = text.split(':')
  const table = TABLES.find((one) => one === name) ?? 'overview'
  const columns = table === 'overview' ? [] : COLUMNS[table].map((one) => one.name)
  return { table, sort: columns.includes(sort.replace(/^-/, '')) ? sort : '', period: PERIODS.find((one) => one === by) ?? 'week' }
}

export const writeTable = ({ table, sort, period }: Shown): string => `${table}:${sort}:${period === 'week' ? '' : period}`.replace(/:+$/, '').replace(/^overview$/, '')

/** The table at the server's address, as a file: CSV for spreadsheets, JSON for programs. */
export function fileOf({ table, period }: Shown, query: string, form: 'csv' | 'json'): string {
  const { name, by } = asked(table, period)
  const route = table === 'machine' ? '/sdgen/scoring/values' : `/sdgen/statistics/${name}`
  const search = new URLSearchParams({ ...(form === 'csv' && { form }), ...(query && { q: query }), ...(by && { by }) })
  return `${route}?${search}`
}

/** What stands beside a table where there is room: what is worst beside the sums, the sums beside all others. */
export const beside = ({ table, period }: Shown): Shown => ({ table: table === 'overview' ? 'failing' : 'overview', sort: '', period })

/** What sorting by a column does next: greatest first, least first, the server's own order. Texts begin with A. */
export function nextSort(sort: string, { name, kind }: Column): string {
  const ways = kind === 'text' || kind === 'word' || kind === 'status' ? [name, `-${name}`, ''] : [`-${name}`, name, '']
  return ways[(ways.indexOf(sort) + 1) % ways.length] ?? ''
}

/** The rows in an order; what is not known comes last either way. */
export function sorted<T extends object>(rows: readonly T[], sort: string): T[] {
  const name = sort.replace(/^-/, '') as keyof T
  if (!name) return [...rows]
  const sign = sort.startsWith('-') ? -1 : 1
  return [...rows].sort((one, other) => {
    const [a, b] = [one[name] as unknown, other[name] as unknown]
    if (a === null || a === undefined || b === null || b === undefined) return Number(a === null || a === undefined) - Number(b === null || b === undefined)
    return sign * (typeof a === 'string' && typeof b === 'string' ? a.localeCompare(b, undefined, { numeric: true }) : Number(a) - Number(b))
  })
}
