import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { type Api, ApiError, type Card } from '../../src/app/api'
import { quoted, within } from '../../src/app/question'
import { useResults } from '../../src/app/stores/results'

const card = (id: number, more: Partial<Card> = {}): Card => ({ id, mark: null, rating: null, ...more }) as Card

/** Stands for the server: answers when it is told to. */
class FakeServer {
  readonly questions: { ids: number[]; signal: AbortSignal | undefined; answer: (cards?: Card[]) => void }[] = []
  found = Int32Array.from([1, 2, 3])
  failure: ApiError | null = null

  ids = (): Promise<Int32Array> => (this.failure ? Promise.reject(this.failure) : Promise.resolve(this.found))

  cards = (ids: readonly number[], signal?: AbortSignal): Promise<Card[]> =>
    new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('aborted')))
      this.questions.push({ ids: [...ids], signal, answer: (cards = ids.map((id) => card(id))) => resolve(cards) })
    })
}

const turn = (): Promise<void> => new Promise((resolve) => process.nextTick(() => process.nextTick(resolve)))

describe('what is found', () => {
  let server: FakeServer
  let results: ReturnType<typeof useResults>

  beforeEach(async () => {
    setActivePinia(createPinia())
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    server = new FakeServer()
    server.found = Int32Array.from({ length: 10_000 }, (_, n) => n + 1)
    results = useResults()
    results.use(server as unknown as Api)
    await results.find('', '')
  })
  afterEach(() => vi.useRealTimers())

  it('asks for the cards in view, and not twice', async () => {
    results.need(10, 60)
    results.need(10, 60)
    expect(server.questions.map(({ ids }) => ids.length)).toEqual([50])
    server.questions[0]?.answer()
    await turn()
    expect(results.cards.size).toBe(50)
    results.need(10, 60)
    expect(server.questions.length).toBe(1)
  })

  it('does not ask for what was only passed by', async () => {
    for (let at = 0; at < 9000; at += 100) results.need(at, at + 100)
    expect(server.questions.length).toBe(2)
    server.questions[0]?.answer()
    await turn()
    expect(server.questions[2]?.ids[0]).toBe(8901)
    expect(server.questions.length).toBe(3)
  })

  it('gives up what nobody looks at any more, when it is late', async () => {
    results.need(0, 100)
    results.need(1000, 1100)
    vi.advanceTimersByTime(200)
    results.need(5000, 5100)
    await turn()
    expect(server.questions.map(({ signal }) => signal?.aborted)).toEqual([true, true, false])
    expect(server.questions[2]?.ids[0]).toBe(5001)
  })

  it('does not ask for ever for an image that is gone', async () => {
    results.need(0, 3)
    server.questions[0]?.answer([card(1), card(3)])
    await turn()
    results.need(0, 3)
    expect(server.questions.length).toBe(1)
  })

  it('keeps as many cards as it may', async () => {
    for (let at = 0; at < 9000; at += 200) {
      results.need(at, at + 200)
      server.questions.at(-1)?.answer()
      await turn()
    }
    expect(results.cards.size).toBe(4000)
    expect(results.cards.has(9000)).toBe(true)
    expect(results.cards.has(1)).toBe(false)
  })

  it('takes in what arrives without asking more often than it has to', async () => {
    const before = results.answers
    server.found = Int32Array.from([99_999, ...server.found])
    for (let n = 0; n < 20; n++) results.told([99_999], [])
    vi.advanceTimersByTime(400)
    await turn()
    expect(results.answers).toBe(before + 1)
    expect(results.total).toBe(10_001)
    expect(results.placeOf(99_999)).toBe(0)
    results.told([], [99_999])
    vi.advanceTimersByTime(400)
    await turn()
    expect(results.answers).toBe(before + 1)
    expect(results.changes).toBe(21)
  })

  it('keeps what it has when a query cannot be read', async () => {
    server.failure = new ApiError('bad-query', 'column 1: no', '')
    await results.find('"', '')
    expect(results.error?.code).toBe('bad-query')
    expect(results.total).toBe(10_000)
    expect(results.stale).toBe(true)
    server.failure = null
    await results.find('x', '')
    expect(results.error).toBeNull()
    expect(results.stale).toBe(false)
  })

  it('shows a change at once and takes it back', async () => {
    results.need(0, 2)
    server.questions[0]?.answer()
    await turn()
    const revert = results.patch([1, 77], { mark: 'favourite' })
    expect(results.cards.get(1)?.mark).toBe('favourite')
    revert()
    expect(results.cards.get(1)?.mark).toBeNull()
  })

  it('names a session as a query has it', () => {
    expect(within('one', 'Hair:Red')).toBe('session:one Hair:Red')
    expect(quoted('a "b"')).toBe('"a \\"b\\""')
  })
})
