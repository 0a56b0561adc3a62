/** What a page's address says about where the user is: it survives a reload, the back button and a bookmark. */

export const SCREENS = ['sessions', 'images', 'compare', 'statistics', 'training'] as const
export type Screen = (typeof SCREENS)[number]

/** `q` is the query of images in `session`, or in the whole library; `sessions` the filters of the list of sessions. */
export interface View {
  screen: Screen
  session: string
  q: string
  sort: string
  /** The image in the viewer; 0: it is closed. */
  image: number
  review: boolean
  sessions: string
  /** Of the compare screen: what is across; `locks`: what is down, what else is locked, and what is shown side by side. */
  pivot: string
  locks: string
  /** Of the statistics: which table, and its order. */
  table: string
  /** Of the training: the run that is looked at. */
  run: string
}

const START: View = { screen: 'sessions', session: '', q: '', sort: '', image: 0, review: false, sessions: '', pivot: '', locks: '', table: '', run: '' }

/** What an address says; what it does not say, or says wrongly, is as at the start. */
export function readView(address: string): View {
  const [path = '', search = ''] = address.split('?', 2)
  const asked = new URLSearchParams(search)
  const screen = SCREENS.find((name) => name === path.replace(/^\//, '')) ?? START.screen
  const text = (name: keyof View): string => asked.get(name) ?? ''
  const image = Number(text('image'))
  return {
    screen,
    session: text('session'),
    q: text('q'),
    sort: text('sort'),
    image: Number.isSafeInteger(image) && image > 0 ? image : 0,
    review: text('review') === '1',
    sessions: text('sessions'),
    pivot: text('pivot'),
    locks: text('locks'),
    table: text('table'),
    run: text('run')
  }
}

/** The address of a view. */
export function writeView(view: View): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(view) as [keyof View, string | number | boolean][])
    if (name !== 'screen' && value) search.set(name, value === true ? '1' : String(value))
  return `/${view.screen}${search.size ? `?${search}` : ''}`
}
