/** The filters of the list of sessions, and how the address says them: just as the server's route takes them. */

export const LISTS = ['any_tags', 'tags', 'no_tags', 'rating', 'complete', 'status', 'theme', 'style', 'template', 'model', 'sampler'] as const
export const FLAGS = ['favourite', 'test', 'sweep', 'problems', 'missing'] as const
export type ListName = (typeof LISTS)[number]
export type FlagName = (typeof FLAGS)[number]

/** What sessions can be sorted by, each with the direction that people mean by it. */
export const SORTS = [
  '-started', 'started', 'name', '-images', '-planned', '-completion', '-favourites', '-interesting', '-judged', '-failed',
  '-trash', '-bytes', '-rating', '-favourite', 'theme', 'style', 'template', 'model', 'sampler', 'status', 'seed', '-problems'
] as const // prettier-ignore
const NEWEST = '-started'

export type Filters = Record<ListName, readonly string[]> &
  Record<FlagName, boolean | null> & { text: string; date: string; images_min: number | null; images_max: number | null; sort: string }

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

/** Names with how many there are of each, most first; an object by itself has names that look like numbers before all others. */
export function mostFirst(counts: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(counts).sort(([a, n], [b, m]) => m - n || names.compare(a, b))
}

/** One filter that is set, as a chip shows it: `value` is the name in a list. */
export interface Chip {
  field: ListName | FlagName | 'text' | 'date' | 'images'
  value: string
}

export function noFilters(): Filters {
  return {
    ...(Object.fromEntries(LISTS.map((name) => [name, []])) as unknown as Record<ListName, string[]>),
    ...(Object.fromEntries(FLAGS.map((name) => [name, null])) as Record<FlagName, null>),
    text: '',
    date: '',
    images_min: null,
    images_max: null,
    sort: NEWEST
  }
}

/** What the address says; what it says wrongly is not set. */
export function readFilters(text: string): Filters {
  const said = new URLSearchParams(text)
  const filters = noFilters()
  for (const name of LISTS) filters[name] = [...new Set(said.getAll(name))]
  for (const name of FLAGS) {
    const flag = said.get(name)
    if (flag === 'true' || flag === 'false') filters[name] = flag === 'true'
  }
  for (const name of ['images_min', 'images_max'] as const) filters[name] = whole(said.get(name) ?? '')
  filters.text = said.get('text') ?? ''
  filters.date = said.get('date') ?? ''
  const sort = said.get('sort') ?? ''
  if ((SORTS as readonly string[]).includes(sort)) filters.sort = sort
  return filters
}

/** The address of filters; empty when none is set. */
export function writeFilters(filters: Filters): string {
  const search = new URLSearchParams()
  for (const name of ['text', 'date'] as const) if (filters[name].trim()) search.set(name, filters[name].trim())
  for (const name of LISTS) for (const value of filters[name]) search.append(name, value)
  for (const name of [...FLAGS, 'images_min', 'images_max'] as const) if (filters[name] !== null) search.set(name, String(filters[name]))
  if (filters.sort !== NEWEST) search.set('sort', filters.sort)
  return search.toString()
}

/** A number that somebody typed; null for anything but a whole number from 0 on. */
export function whole(text: string): number | null {
  return /^\d{1,15}$/.test(text.trim()) ? Number(text) : null
}

/** Each filter that is set. */
export function chips(filters: Filters): Chip[] {
  const out: Chip[] = []
  if (filters.text.trim()) out.push({ field: 'text', value: filters.text.trim() })
  if (filters.date) out.push({ field: 'date', value: filters.date })
  if (filters.images_min !== null || filters.images_max !== null)
    out.push({ field: 'images', value: `${filters.images_min ?? 0}–${filters.images_max ?? '∞'}` })
  for (const field of LISTS) for (const value of filters[field]) out.push({ field, value })
  for (const field of FLAGS) if (filters[field] !== null) out.push({ field, value: String(filters[field]) })
  return out
}

/** The filters without one of them. */
export function without(filters: Filters, { field, value }: Chip): Filters {
  if (field === 'text' || field === 'date') return { ...filters, [field]: '' }
  if (field === 'images') return { ...filters, images_min: null, images_max: null }
  if ((FLAGS as readonly string[]).includes(field)) return { ...filters, [field]: null }
  return { ...filters, [field]: filters[field as ListName].filter((name) => name !== value) }
}

/** A name put into a list, or taken out of it. */
export function toggled(filters: Filters, field: ListName, value: string): Filters {
  const list = filters[field]
  return { ...filters, [field]: list.includes(value) ? list.filter((name) => name !== value) : [...list, value] }
}

/** A tag that sessions must have (`any_tags`, or `tags` where all are wanted), must not have, or none of both; asked for twice, it goes. */
export function tagged(filters: Filters, tag: string, into: 'any_tags' | 'tags' | 'no_tags'): Filters {
  const had = filters[into].includes(tag)
  const out = { ...filters }
  for (const field of ['any_tags', 'tags', 'no_tags'] as const) out[field] = out[field].filter((name) => name !== tag)
  if (!had) out[into] = [...out[into], tag]
  return out
}

/** The wanted tags as those of which one suffices, or as those that must all be there. */
export function allTags(filters: Filters, all: boolean): Filters {
  const wanted = [...filters.any_tags, ...filters.tags]
  return { ...filters, any_tags: all ? [] : wanted, tags: all ? wanted : [] }
}
