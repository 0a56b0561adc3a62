import { beforeEach, expect, it, vi } from 'vitest'

import { ApiError, type Api } from '../../src/app/api'
import type { Events, Platform } from '../../src/app/platform'
import { complaint, follow, scoring, type ScoringState, take } from '../../src/app/scoring/wanted'

const state = (more: Partial<ScoringState> = {}): ScoringState => ({
  running: null, name: null, scorer: null, done: 0, total: 0, per_second: 0, left: null, held: false, waits: 0, waiting: [], failed: [], ...more
}) // prettier-ignore
const running = (done: number): ScoringState => state({ running: 'mine', name: 'Mine', done, total: 9 })

/** A server whose answers come when the test gives them, and its events. */
class Server {
  answers: { give: (state: ScoringState) => void; refuse: (error: unknown) => void }[] = []
  private handlers: [string, (data: never) => void][] = []

  api = { get: () => new Promise((give, refuse) => this.answers.push({ give, refuse })) } as unknown as Api
  platform = {
    on: (kind: string, handle: (data: never) => void) => {
      this.handlers.push([kind, handle])
      return () => (this.handlers = this.handlers.filter((one) => one[1] !== handle))
    }
  } as unknown as Platform

  tell<Kind extends keyof Events>(kind: Kind, data: Events[Kind]): void {
    for (const [heard, handle] of this.handlers) if (heard === kind) handle(data as never)
  }
}

const settled = (): Promise<void> => new Promise((done) => setTimeout(done))

beforeEach(() => {
  scoring.now = null
})

it('asks at once, and again when what was told may have been missed', async () => {
  const server = new Server()
  const end = follow(server)
  server.answers[0]?.give(running(1))
  await settled()
  expect(scoring.now?.done).toBe(1)
  server.tell('reload', {})
  server.answers[1]?.give(running(5))
  await settled()
  expect(scoring.now?.done).toBe(5)
  end()
  server.tell('reload', {})
  server.tell('scoring', running(7))
  expect([server.answers.length, scoring.now?.done]).toEqual([2, 5])
})

it('is nothing until there is anything to show, and then also says that it is over', async () => {
  const server = new Server()
  follow(server)
  server.answers[0]?.give(state())
  await settled()
  expect(scoring.now).toBeNull()
  server.tell('scoring', state())
  expect(scoring.now).toBeNull()
  server.tell('scoring', state({ waits: 2 }))
  expect(scoring.now).toMatchObject({ waits: 2 })
  server.tell('scoring', state())
  expect(scoring.now).toEqual(state())
})

it('shows what has failed before', async () => {
  const failed = [{ session: 'mine', name: 'Mine', error: 'no-images', message: 'none', hint: '' }]
  await take(Promise.resolve(state({ failed })))
  expect(scoring.now?.failed).toEqual(failed)
})

it('lets no answer take the place of what was told since, though that was nothing to show', async () => {
  const server = new Server()
  follow(server)
  server.tell('scoring', state())
  server.answers[0]?.give(running(3))
  await settled()
  expect(scoring.now).toBeNull()
})

it('keeps what it knows when the server does not answer', async () => {
  const server = new Server()
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  follow(server)
  server.tell('scoring', running(2))
  server.tell('reload', {})
  for (const { refuse } of server.answers) refuse(new ApiError('no-answer', 'no', ''))
  await settled()
  process.off('unhandledRejection', unhandled)
  expect([scoring.now?.done, unhandled.mock.calls.length]).toEqual([2, 0])
})

it('complains with the code', () => {
  expect(complaint(new ApiError('scorer-missing', 'none.', 'Put one.'))).toBe('none. Put one. (scorer-missing)')
})
