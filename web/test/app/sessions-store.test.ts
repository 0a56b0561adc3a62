import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { type Api, ApiError } from '../../src/app/api'
import { useSessionJudging } from '../../src/app/sessions/judge'
import type { SessionCard } from '../../src/app/sessions/model'
import { useSelection } from '../../src/app/sessions/selection'
import { useSessionList } from '../../src/app/sessions/store'
import { useJudging } from '../../src/app/stores/judging'

const card = (n: number, more: Partial<SessionCard> = {}): SessionCard =>
  ({ slug: `s${String(n).padStart(4, '0')}`, name: `session ${n}`, original_name: `session ${n}`, images: n, tags: [], favourite: false, thumbs: [], ...more }) as unknown as SessionCard

/** A server with these sessions, which pages behind a session as the real one does. */
class Server {
  asked: URLSearchParams[] = []
  judged: unknown[][] = []
  refuse = false

  constructor(public sessions: SessionCard[]) {}

  get(route: string): Promise<unknown> {
    const [path = '', query = ''] = route.split('?')
    const slug = path.split('/')[4]
    if (slug !== undefined) {
      const found = this.sessions.find((one) => one.slug === slug)
      return found ? Promise.resolve({ ...found }) : Promise.reject(new ApiError('unknown-session', `there is no session ${slug}`, ''))
    }
    const said = new URLSearchParams(query)
    this.asked.push(said)
    if (this.refuse) return Promise.reject(new ApiError('bad-query', 'no', ''))
    const found = this.sessions.filter(({ name }) => name.includes(said.get('text') ?? ''))
    const after = said.get('after')
    const from = after === null ? 0 : found.findIndex((one) => one.slug === after) + 1
    if (after !== null && from === 0) return Promise.reject(new ApiError('unknown-session', `there is no session ${after}`, ''))
    const page = found.slice(from, from + Number(said.get('limit')))
    const next = from + page.length < found.length ? (page.at(-1)?.slug ?? null) : null
    return Promise.resolve({ sessions: page.map((one) => ({ ...one })), total: found.length, next, bounds: { images: 9, counts: {} }, version: '' })
  }

  judgeSessions(...said: unknown[]): Promise<unknown> {
    if (this.refuse) return Promise.reject(new ApiError('bad-judgement', 'no', ''))
    this.judged.push(said)
    return Promise.resolve({ label: 'x', changed: 0, undo: 'x', redo: null })
  }
}

function listOf(count: number): { server: Server; list: ReturnType<typeof useSessionList> } {
  const server = new Server(Array.from({ length: count }, (_, n) => card(count - n)))
  const list = useSessionList()
  list.use(server as unknown as Api)
  useJudging().use({ api: server as unknown as Api, platform: { toast: () => undefined, on: () => () => undefined } as never, texts: { notSaved: '' } as never })
  return { server, list }
}

beforeEach(() => {
  setActivePinia(createPinia())
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

it('reads the first page, and on to where somebody goes', async () => {
  const { server, list } = listOf(1162)
  await list.find('')
  expect([list.slugs.length, list.total, list.answers]).toEqual([60, 1162, 1])
  await list.more(100)
  expect(list.slugs.length).toBe(120)
  await list.more(1162)
  expect([list.slugs.length, new Set(list.slugs).size, list.shown.length]).toEqual([1162, 1162, 1162])
  expect(server.asked.length).toBeLessThan(6)
  await list.more(1162)
  expect(server.asked.length).toBeLessThan(6)
})

it('asks for one page at a time, for the farthest place that was asked for', async () => {
  const { server, list } = listOf(700)
  await list.find('')
  await Promise.all([list.more(80), list.more(650), list.more(300)])
  expect(list.slugs.length).toBeGreaterThanOrEqual(650)
  expect(server.asked.map((one) => one.get('after'))).toEqual([null, ...list.slugs.filter((slug) => server.asked.some((one) => one.get('after') === slug))])
})

it('forgets what was asked before', async () => {
  const { list } = listOf(300)
  const first = list.find('')
  const second = list.find('text=session+12')
  await Promise.all([first, second])
  expect(list.search).toBe('text=session+12')
  expect(list.total).toBe(11)
  expect(list.loading).toBe(false)
})

it('reads on in the new list when somebody scrolled while it was asked for', async () => {
  const { server, list } = listOf(900)
  await list.find('')
  const finding = list.find('text=session')
  const scrolled = list.more(400)
  await Promise.all([finding, scrolled])
  await vi.advanceTimersByTimeAsync(10)
  expect(list.slugs.length).toBeGreaterThanOrEqual(400)
  expect(server.asked.slice(1).every((one) => one.get('text') === 'session')).toBe(true)
})

it('says what the server says, and goes on after it', async () => {
  const { server, list } = listOf(10)
  server.refuse = true
  await list.find('sort=name')
  expect(list.error?.code).toBe('bad-query')
  server.refuse = false
  await list.find('')
  expect([list.error, list.total]).toEqual([null, 10])
})

it('changes a card in its place when something happens to its session', async () => {
  const { server, list } = listOf(100)
  await list.find('')
  const before = list.slugs
  server.sessions[5] = { ...card(95), images: 999 }
  list.told(['s0095'])
  list.told(['s0095'])
  await vi.advanceTimersByTimeAsync(500)
  expect(list.cards.get('s0095')?.images).toBe(999)
  expect(list.slugs).toBe(before)
  expect(list.answers).toBe(1)
})

it('takes in a new session once, above what is there, and keeps everything that was read', async () => {
  const { server, list } = listOf(200)
  await list.find('')
  await list.more(150)
  const read = list.slugs.length
  server.sessions.unshift(card(201))
  for (let saves = 0; saves < 5; saves++) list.told(['s0201'])
  await vi.advanceTimersByTimeAsync(3000)
  expect(list.slugs.slice(0, 2)).toEqual(['s0201', 's0200'])
  expect(list.slugs.length).toBeGreaterThanOrEqual(read)
  expect(new Set(list.slugs).size).toBe(list.slugs.length)
  expect([list.total, list.answers]).toEqual([201, 1])
})

it('does not ask for the whole list again and again while an import goes on', async () => {
  const { server, list } = listOf(50)
  await list.find('')
  for (let n = 51; n < 151; n++) {
    server.sessions.unshift(card(n))
    list.told([`s${String(n).padStart(4, '0')}`])
    await vi.advanceTimersByTimeAsync(100)
  }
  await vi.advanceTimersByTimeAsync(3000)
  expect(list.total).toBe(150)
  expect(server.asked.length).toBeLessThan(12)
})

it('drops a session that has gone, also when a page was to follow it', async () => {
  const { server, list } = listOf(200)
  await list.find('')
  const last = list.slugs.at(-1)
  server.sessions = server.sessions.filter(({ slug }) => slug !== last)
  await list.more(100)
  await vi.advanceTimersByTimeAsync(10)
  expect(list.slugs).not.toContain(last)
  expect(list.total).toBe(199)
  expect(list.error).toBeNull()
})

it('shows what was said of a session at once, and takes it back when it could not be written', async () => {
  const { server, list } = listOf(3)
  await list.find('')
  const judge = useSessionJudging()
  const one = list.shown[0]
  if (!one) throw new Error('nothing was found')
  const saving = judge.tag([one], '  to,  do ', true)
  expect(list.cards.get(one.slug)?.tags).toEqual(['to do'])
  await saving
  expect(server.judged).toEqual([[[one.slug], 'tag/to do', 'yes']])
  server.refuse = true
  const failing = judge.favourite([one])
  expect(list.cards.get(one.slug)?.favourite).toBe(true)
  await failing
  expect(list.cards.get(one.slug)?.favourite).toBe(false)
  expect(list.cards.get(one.slug)?.tags).toEqual(['to do'])
})

it('takes back only what was said, not what has happened since', async () => {
  const { list } = listOf(2)
  await list.find('')
  const back = list.patch(['s0002'], () => ({ favourite: true, note: 'a' }))
  list.cards.set('s0002', { ...card(2), images: 77, favourite: true, note: 'b' })
  back()
  expect(list.cards.get('s0002')).toMatchObject({ images: 77, favourite: false, note: 'b' })
})

it('gives all selected sessions a mark as one step, and takes it away when all have it', async () => {
  const { server, list } = listOf(4)
  await list.find('')
  const judge = useSessionJudging()
  await judge.favourite(list.shown.slice(0, 1))
  await judge.favourite(list.shown)
  await judge.favourite(list.shown)
  expect(server.judged.map(([slugs, , value]) => [(slugs as string[]).length, value])).toEqual([
    [1, 'yes'],
    [4, 'yes'],
    [4, null]
  ])
})

it('names a session as it was made when its name is taken away or given again', async () => {
  const { server, list } = listOf(1)
  await list.find('')
  const judge = useSessionJudging()
  const one = list.shown[0]
  if (!one) throw new Error('nothing was found')
  await judge.rename(one, ' New name ')
  expect(list.cards.get(one.slug)?.name).toBe('New name')
  await judge.rename(one, '')
  expect(list.cards.get(one.slug)?.name).toBe('session 1')
  expect(server.judged.map(([, , value]) => value)).toEqual(['New name', null])
})

it('selects one, a range, and all', async () => {
  const { list } = listOf(130)
  await list.find('')
  const { selected, selecting, select, all, none } = useSelection(list)
  select(3, null)
  select(6, { shiftKey: true })
  expect([...selected.value]).toEqual(list.slugs.slice(3, 7))
  select(4, { shiftKey: false })
  expect([selected.value.size, selecting.value]).toEqual([3, true])
  await all()
  expect(selected.value.size).toBe(130)
  none()
  expect([selected.value.size, selecting.value]).toEqual([0, false])
})
