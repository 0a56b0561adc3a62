import { describe, expect, it } from 'vitest'

import { median, minutes, Run, type Said, summed } from '../../src/app/review/run'

const said = (placeholder: string, value: string, verdict: string | null): Said => ({ placeholder, value, verdict })

function made() {
  let now = 0
  const run = new Run(() => now)
  return { run, wait: (milliseconds: number) => void (now += milliseconds) }
}

describe('the order', () => {
  it('takes each image once', () => {
    const { run } = made()
    run.add([3, 1, 2])
    run.add([1, 4])
    expect(run.queue.value).toEqual([3, 1, 2, 4])
    expect([run.current.value, run.left.value]).toEqual([3, 4])
  })

  it('goes forth and back, and ends behind the last', () => {
    const { run } = made()
    run.add([1, 2])
    expect(run.back()).toBe(false)
    expect([run.next(), run.current.value]).toEqual([true, 2])
    expect([run.next(), run.current.value]).toEqual([false, 0])
    expect(run.next()).toBe(false)
    expect([run.back(), run.current.value]).toEqual([true, 2])
  })

  it('shows an image that is in it, or was never', () => {
    const { run } = made()
    run.add([1, 2, 3])
    run.show(3)
    expect(run.at.value).toBe(2)
    run.show(9)
    expect([run.current.value, run.queue.value]).toEqual([9, [1, 2, 9, 3]])
  })

  it('keeps what was judged when another placeholder is asked about, and the image that is looked at', () => {
    const { run } = made()
    run.add([1, 2, 3, 4])
    run.said(said('Hair', 'red', 'ok'))
    run.next()
    run.next()
    run.replace([8, 3, 9])
    expect(run.queue.value).toEqual([1, 3, 8, 9])
    expect(run.current.value).toBe(3)
  })
})

describe('the log', () => {
  it('counts time and keys for each image, and no time when nobody was there', () => {
    const { run, wait } = made()
    run.add([1, 2])
    wait(2_000)
    run.pressed()
    run.said(said('Hair', 'red', 'ok'))
    run.next()
    wait(60_000)
    run.tick(true)
    wait(500)
    run.tick()
    expect(run.entries.get(1)).toMatchObject({ time: 2_000, keys: 1 })
    expect(run.entries.get(2)).toMatchObject({ time: 500 })
    expect([run.time.value, run.judged.value, run.verdicts.value]).toEqual([2_500, 1, 1])
  })

  it('takes steps back in turn, whichever image they were about', () => {
    const { run } = made()
    run.add([1, 2])
    run.said(said('Hair', 'red', 'ok'))
    run.next()
    run.said(said('', 'mark', 'Trash'))
    expect(run.made.value).toBe(2)
    const step = run.unsaid()
    expect(step?.image).toBe(2)
    expect([run.judged.value, run.made.value]).toEqual([1, 1])
    if (step) run.resaid(step)
    expect(run.judged.value).toBe(2)
    run.unsaid()
    expect(run.unsaid()?.image).toBe(1)
    expect(run.unsaid()).toBeUndefined()
    expect(run.judged.value).toBe(0)
  })

  it('lets the last word about a value count', () => {
    const { run } = made()
    run.add([1])
    for (const verdict of ['ok', 'ko', null, 'partial']) run.said(said('Hair', 'red', verdict))
    run.said(said('', 'mark', 'Favourite'))
    run.said(said('', 'rating', 'Two stars'))
    expect(run.all().map(({ verdict }) => verdict)).toEqual(['partial', 'Favourite', 'Two stars'])
    expect(run.verdicts.value).toBe(1)
  })
})

describe('the summary', () => {
  it('has the rate of each value, the worst first', () => {
    const all = [said('Hair', 'red', 'ok'), said('Hair', 'red', 'partial'), said('Coat', 'fur', 'ko'), said('Hair', 'blue', null), said('', 'mark', 'Trash'), said('Pose', 'x', 'no-effect')]
    expect(summed(all)).toEqual([
      { placeholder: 'Coat', value: 'fur', counts: { ko: 1 }, rate: 0 },
      { placeholder: 'Hair', value: 'red', counts: { ok: 1, partial: 1 }, rate: 0.75 },
      { placeholder: 'Pose', value: 'x', counts: { 'no-effect': 1 }, rate: null }
    ])
  })

  it('says times as people do', () => {
    expect([0, 4_600, 65_000, 3_725_000].map(minutes)).toEqual(['0:00', '0:05', '1:05', '62:05'])
    expect([median([]), median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([0, 2, 2.5])
  })
})
