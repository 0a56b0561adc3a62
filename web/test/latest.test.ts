import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { Latest } from '../src/latest'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function setup() {
  const asked: string[] = []
  const waiting = new Map<string, { answer(text: string): void; refuse(error: Error): void; signal: AbortSignal }>()
  const answers: string[] = []
  const errors: unknown[] = []
  const latest = new Latest<string, string>(
    (question, signal) => {
      asked.push(question)
      return new Promise((answer, refuse) => waiting.set(question, { answer, refuse, signal }))
    },
    (answer) => answers.push(answer),
    (error) => errors.push(error)
  )
  return { latest, asked, waiting, answers, errors }
}

it('asks once when the question has stood still', async () => {
  const { latest, asked } = setup()
  for (const question of ['a', 'ab', 'abc']) {
    latest.update(question)
    await vi.advanceTimersByTimeAsync(100)
  }
  expect(asked).toEqual([])
  await vi.advanceTimersByTimeAsync(300)
  expect(asked).toEqual(['abc'])
})

it('asks nothing twice', async () => {
  const { latest, asked } = setup()
  expect(latest.update('a')).toBe(true)
  await vi.advanceTimersByTimeAsync(300)
  expect(latest.update('a')).toBe(false)
  await vi.advanceTimersByTimeAsync(300)
  expect(asked).toEqual(['a'])
  latest.clear()
  expect(latest.update('a')).toBe(true)
})

it('drops the answer, and the failure, of a question that is no longer meant', async () => {
  const { latest, waiting, answers, errors } = setup()
  latest.update('first')
  await vi.advanceTimersByTimeAsync(300)
  latest.update('second')
  await vi.advanceTimersByTimeAsync(300)
  expect(waiting.get('first')?.signal.aborted).toBe(true)
  waiting.get('second')?.answer('2')
  waiting.get('first')?.answer('1')
  await vi.advanceTimersByTimeAsync(0)
  expect(answers).toEqual(['2'])
  latest.update('third')
  await vi.advanceTimersByTimeAsync(300)
  latest.clear()
  waiting.get('third')?.refuse(new Error('late'))
  await vi.advanceTimersByTimeAsync(0)
  expect(errors).toEqual([])
})

it('reports a failure of the question that is meant', async () => {
  const { latest, waiting, errors } = setup()
  latest.update('a')
  await vi.advanceTimersByTimeAsync(300)
  const error = new Error('no')
  waiting.get('a')?.refuse(error)
  await vi.advanceTimersByTimeAsync(0)
  expect(errors).toEqual([error])
})
