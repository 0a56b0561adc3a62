import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'

import type { Api } from '../../src/app/api'
import { useSelection } from '../../src/app/images/selection'
import { useResults } from '../../src/app/stores/results'

const ALONE = { more: false, range: false }
const MORE = { more: true, range: false }
const RANGE = { more: false, range: true }

describe('the selection', () => {
  let found: Int32Array
  let results: ReturnType<typeof useResults>
  let selection: ReturnType<typeof useSelection>

  beforeEach(async () => {
    setActivePinia(createPinia())
    found = Int32Array.from({ length: 100_000 }, (_, n) => 100_000 - n)
    results = useResults()
    results.use({ ids: () => Promise.resolve(found) } as unknown as Api)
    selection = useSelection()
    await results.find('', '')
  })

  it('is one image, some, or a range over images that nobody has seen', () => {
    selection.choose(5, ALONE)
    expect(selection.ids).toEqual([99_995])
    selection.choose(7, MORE)
    selection.choose(5, MORE)
    expect(selection.ids).toEqual([99_993])
    selection.choose(7, ALONE)
    selection.choose(90_000, RANGE)
    expect(selection.count).toBe(89_994)
    selection.choose(2, RANGE)
    expect(selection.ids).toEqual([99_998, 99_997, 99_996, 99_995, 99_994, 99_993])
  })

  it('holds everything, its opposite, or nothing', () => {
    selection.choose(0, ALONE)
    selection.invert()
    expect(selection.count).toBe(99_999)
    selection.all()
    expect(selection.count).toBe(100_000)
    selection.clear()
    expect(selection.count).toBe(0)
  })

  it('is what a rectangle holds, besides what was chosen when it is asked to', () => {
    selection.choose(9, ALONE)
    selection.sweepBegins(true)
    selection.sweep([0, 1, 2])
    selection.sweep([0, 1])
    expect(selection.ids).toEqual([100_000, 99_999, 99_991])
    selection.sweepBegins(false)
    selection.sweep([3])
    expect(selection.ids).toEqual([99_997])
  })

  it('stays with its images when others come and go', async () => {
    selection.choose(1, ALONE)
    selection.choose(2, MORE)
    const before = found
    found = Int32Array.from([200_001, 200_000, ...found.filter((id) => id !== 99_998)])
    await results.find('', '')
    selection.prune(results.ids, before)
    expect(selection.ids).toEqual([99_999])
    // the keys are at the image that is at its place now
    expect(selection.focused).toBe(2)
    selection.choose(4, RANGE)
    expect(selection.ids).toEqual([100_000, 99_999, 99_997])
  })

  it('is nowhere among the answers to another question', async () => {
    selection.choose(1, ALONE)
    const before = found
    found = Int32Array.from([5, 4, 3])
    await results.find('model:x', '')
    selection.prune(results.ids, before)
    expect([selection.focus, selection.count]).toEqual([0, 0])
    selection.goTo(2)
    found = Int32Array.from([5, 4])
    await results.find('model:x', '')
    selection.prune(results.ids, Int32Array.from([5, 4, 3]))
    expect(selection.focus).toBe(4)
  })
})
