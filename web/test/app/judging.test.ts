import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { type Api, ApiError, type Card, type ImageDetails } from '../../src/app/api'
import type { Platform } from '../../src/app/platform'
import { useJudging } from '../../src/app/stores/judging'
import { useResults } from '../../src/app/stores/results'
import { textsIn } from '../../src/app/texts'
import { useDetails } from '../../src/app/viewer/details'

const texts = await textsIn('en')

interface Asked {
  call: string
  answer: (given?: object) => void
  refuse: (error: unknown) => void
}

/** A server whose answers the test gives. */
function server() {
  const asked: Asked[] = []
  const ask = (call: string): Promise<never> =>
    new Promise((resolve, reject) => {
      const answer = (given: object = {}): void => resolve({ label: call, changed: 1, undo: call, redo: null, ...given } as never)
      asked.push({ call, answer, refuse: reject })
    })
  const api = {
    judge: (ids: number[], field: string, value: string | null) => ask(`${field}=${String(value)} ${ids.join()}`),
    judgeSessions: (sessions: string[], field: string, value: string | null) => ask(`${field}=${String(value)} ${sessions.join()}`),
    undo: () => ask('undo'),
    redo: () => ask('redo'),
    cards: () => Promise.resolve([])
  }
  return { asked, api: api as unknown as Api }
}

const card = (id: number, more: Partial<Card> = {}): Card => ({ id, session: 's', file: 'f.png', number: id, mark: null, failed: false, rating: null, ...more }) as Card
const full = (id: number): ImageDetails =>
  ({ ...card(id), tags: ['old'], note: null, values: { Hair: { key: 'Red', text: 'red hair', verdict: null, score: null } } }) as unknown as ImageDetails

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

let images: ((data: { added: number[]; changed: number[] }) => void) | undefined
const toast = vi.fn()
const platform = {
  on: (_: string, handle: typeof images) => {
    images = handle
    return () => undefined
  },
  toast
} as unknown as Platform

function start() {
  const { asked, api } = server()
  const judging = useJudging()
  judging.use({ api, platform, texts })
  const results = useResults()
  for (const id of [1, 2, 3]) results.cards.set(id, card(id))
  const details = useDetails()
  details.known.set(1, full(1))
  return { asked, judging, results, details }
}

beforeEach(() => {
  setActivePinia(createPinia())
  toast.mockClear()
  vi.useRealTimers()
})

describe('writing', () => {
  it('shows at once and writes one after another, in the order that it was said', async () => {
    const { asked, judging, results, details } = start()
    void judging.mark([1], 'favourite')
    void judging.verdict([1], 'Hair', 'ok')
    void judging.rate([1, 2], 4)
    expect(results.cards.get(1)).toMatchObject({ mark: 'favourite', rating: 4 })
    expect(details.known.get(1)).toMatchObject({ mark: 'favourite', rating: 4, values: { Hair: { verdict: 'ok' } } })
    await settle()
    expect(asked.map(({ call }) => call)).toEqual(['mark=favourite 1'])
    asked[0]?.answer()
    await settle()
    expect(asked.map(({ call }) => call)).toEqual(['mark=favourite 1', 'value/Hair=ok 1'])
    asked[1]?.answer()
    await settle()
    asked[2]?.answer()
    await judging.settled()
    expect(judging.undoable).toBe('rating=4 1,2')
    expect(judging.writing).toBe(0)
  })

  it('takes a mark away that all have already', () => {
    const { asked, judging, results } = start()
    results.cards.set(1, card(1, { mark: 'trash' }))
    void judging.mark([1], 'trash')
    expect(results.cards.get(1)?.mark).toBeNull()
    results.cards.set(2, card(2, { mark: 'trash' }))
    void judging.mark([2, 3], 'trash')
    expect(results.cards.get(3)?.mark).toBe('trash')
    void settle().then(() => expect(asked[0]?.call).toBe('mark=null 1'))
  })

  it('takes back what the server refuses, says so, and leaves what was said since', async () => {
    const { asked, judging, results, details } = start()
    void judging.mark([1], 'favourite')
    void judging.tag([1], 'new', true)
    void judging.rate([1], 2)
    expect(details.known.get(1)?.tags).toEqual(['new', 'old'])
    await settle()
    asked[0]?.refuse(new ApiError('bad-judgement', 'no such image', 'Reload'))
    await settle()
    asked[1]?.answer()
    await settle()
    asked[2]?.answer()
    await judging.settled()
    expect(results.cards.get(1)).toMatchObject({ mark: null, rating: 2 })
    expect(details.known.get(1)).toMatchObject({ mark: null, rating: 2, tags: ['new', 'old'] })
    expect(toast).toHaveBeenCalledWith('error', expect.any(String), 'no such image. Reload')
  })

  it('does not put back what the same field was before something later', async () => {
    const { asked, judging, results } = start()
    void judging.mark([1], 'favourite')
    void judging.mark([1], 'trash')
    await settle()
    asked[0]?.refuse(new ApiError('bad-judgement', 'no', ''))
    await settle()
    asked[1]?.answer()
    await judging.settled()
    expect(results.cards.get(1)?.mark).toBe('trash')
  })

  it('asks once more when the server was away, and then gives up', async () => {
    vi.useFakeTimers()
    const { asked, judging, results } = start()
    void judging.fail([1], true)
    await settle()
    asked[0]?.refuse(new TypeError('Failed to fetch'))
    await settle()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(asked.map(({ call }) => call)).toEqual(['failed=yes 1', 'failed=yes 1'])
    asked[1]?.answer()
    await settle()
    expect(results.cards.get(1)?.failed).toBe(true)
    expect(toast).not.toHaveBeenCalled()
    void judging.fail([1], false)
    await settle()
    asked[2]?.refuse(new TypeError('Failed to fetch'))
    await vi.advanceTimersByTimeAsync(2_000)
    asked[3]?.refuse(new TypeError('Failed to fetch'))
    await vi.advanceTimersByTimeAsync(0)
    expect(results.cards.get(1)?.failed).toBe(true)
    expect(toast).toHaveBeenCalledTimes(1)
    void judging.mark([1], 'interesting') // the next one is not kept up
    await settle()
    expect(asked.at(-1)?.call).toBe('mark=interesting 1')
  })
})

describe('taking back', () => {
  it('shows at once what was before, and says which images it was about', async () => {
    const { asked, judging, results } = start()
    void judging.mark([1, 2], 'favourite')
    const undone = judging.undo()
    expect(results.cards.get(2)?.mark).toBeNull()
    await settle()
    asked[0]?.answer()
    await settle()
    asked[1]?.answer({ label: 'mark=favourite 1,2', undo: null, redo: 'mark=favourite 1,2' })
    expect(await undone).toBe('mark=favourite 1,2')
    expect(judging.turned).toEqual([1, 2])
    expect([judging.undoable, judging.redoable]).toEqual([null, 'mark=favourite 1,2'])
    const again = judging.redo()
    expect(results.cards.get(2)?.mark).toBe('favourite')
    await settle()
    asked[2]?.answer({ label: 'mark=favourite 1,2' })
    await again
  })

  it('shows it again when the server could not, and never asks twice', async () => {
    const { asked, judging, results } = start()
    void judging.mark([1], 'favourite')
    await settle()
    asked[0]?.answer()
    await settle()
    const undone = judging.undo()
    await settle()
    asked[1]?.refuse(new TypeError('Failed to fetch'))
    expect(await undone).toBeNull()
    expect(asked).toHaveLength(2)
    expect(results.cards.get(1)?.mark).toBe('favourite')
    expect(toast).toHaveBeenCalledTimes(1)
  })

  it('sees when it was the step of somebody else', async () => {
    const { asked, judging, results } = start()
    void judging.mark([1], 'favourite')
    await settle()
    asked[0]?.answer()
    await settle()
    const undone = judging.undo()
    await settle()
    asked[1]?.answer({ label: 'something else' })
    expect(await undone).toBe('something else')
    expect(results.cards.get(1)?.mark).toBe('favourite')
  })

  it('hears from the server which images an older step was about', async () => {
    const { asked, judging } = start()
    const undone = judging.undo()
    await settle()
    images?.({ added: [], changed: [7, 8] })
    asked[0]?.answer({ label: 'before' })
    await undone
    expect(judging.turned).toEqual([7, 8])
  })

  it('counts no step that changed nothing', async () => {
    const { asked, judging, results } = start()
    void judging.mark([1], 'favourite')
    await settle()
    asked[0]?.answer()
    await settle()
    void judging.note([1], '')
    await settle()
    asked[1]?.answer({ changed: 0 })
    await settle()
    const undone = judging.undo()
    expect(results.cards.get(1)?.mark).toBeNull()
    await settle()
    asked[2]?.answer({ label: 'mark=favourite 1' })
    await undone
    expect(judging.turned).toEqual([1])
  })
})
