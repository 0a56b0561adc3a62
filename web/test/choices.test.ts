import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { Choosing, type Offered, readChoices, readSelector, writeChoices, writeSelector } from '../src/choices'

interface Case {
  values: Offered['values']
  selector: string
  picked: number[]
  draw: number | null
  weight: number | null
  unknown: string[]
}

/** The server is tested with the same table. */
const table = JSON.parse(readFileSync(join(import.meta.dirname, '../../tests/data/choice_specs.json'), 'utf-8')) as {
  texts: { text: string; choices: [string, string][] }[]
  bad_texts: string[]
  reads: Case[]
  writes: Omit<Case, 'unknown'>[]
}

describe('the text of the node', () => {
  it.each(table.texts)('$text', ({ text, choices }) => {
    const read = readChoices(text)
    expect([...read.choices]).toEqual(choices)
    expect(read.unread).toEqual([])
    expect([...readChoices(writeChoices(choices)).choices]).toEqual(choices)
  })

  it.each(table.bad_texts)('%s is no choice', (text) => {
    expect(readChoices(text).unread).not.toEqual([])
  })

  it('keeps what can be read beside what cannot', () => {
    const { choices, unread } = readChoices('Hair:Red; A[x]; A[y] B[z]')
    expect([...choices]).toEqual([
      ['A', 'x'],
      ['B', 'z']
    ])
    expect(unread).toEqual(['Hair:Red', 'A[y]'])
  })
})

describe('selectors', () => {
  it.each(table.reads)('reads $selector', ({ values, selector, ...taken }) => {
    expect(readSelector(selector, values)).toEqual(taken)
  })

  it.each(table.writes)('writes $selector', ({ values, selector, ...taken }) => {
    expect(writeSelector(values, taken)).toBe(selector)
  })

  it.each(table.writes)('reads $selector as it was written', ({ values, selector, picked, draw, weight }) => {
    const drawn = draw !== null && draw < picked.length ? draw : null
    expect(readSelector(selector, values)).toEqual({ picked, draw: drawn, weight, unknown: [] })
  })
})

const hair: Offered = {
  name: 'Hair',
  values: ['Red', 'Blue', 'Green', 'Grey'].map((key) => [key, `${key} hair`]),
  selector: '',
  weight: 1
}
const coat: Offered = { ...hair, name: 'Coat', selector: 'Red,Blue;$5', weight: 5 }
const hat: Offered = { ...hair, name: 'Hat', selector: '2' }

function row(choosing: Choosing, name: string): Choosing['rows'][number] {
  const found = choosing.rows.find((one) => one.name === name)
  if (!found) throw new Error(name)
  return found
}

describe('choosing', () => {
  it('begins with what the template says, and writes nothing for it', () => {
    const choosing = new Choosing([hair, coat, hat], '')
    expect(choosing.rows.map((one) => [...one.picked].length)).toEqual([4, 2, 4])
    expect(row(choosing, 'Hat').draw).toBe(2)
    expect(choosing.text).toBe('')
  })

  it('writes what is other than the template', () => {
    const choosing = new Choosing([hair, coat, hat], '')
    row(choosing, 'Hair').set([1, 2], () => false)
    row(choosing, 'Coat').set([0, 1, 2, 3], () => true)
    row(choosing, 'Hat').setDraw(null)
    expect(choosing.text).toBe('Hair[Red,Grey]; Coat[$5]; Hat[$1]')
    row(choosing, 'Hair').set([1, 2], () => true)
    row(choosing, 'Coat').reset()
    row(choosing, 'Hat').setDraw(2)
    expect(choosing.text).toBe('')
  })

  it('leaves a placeholder out when nothing is chosen', () => {
    const choosing = new Choosing([hair], '')
    row(choosing, 'Hair').set([0, 1, 2, 3], () => false)
    expect(choosing.text).toBe('Hair[0]')
    expect([...row(new Choosing([hair], 'Hair[0]'), 'Hair').picked]).toEqual([])
  })

  it('keeps a written selector until its row is touched, order, weight and unknown keys', () => {
    const text = 'Hair[Grey,Red,Bleu;$7]; Ghost[Boo]'
    const choosing = new Choosing([coat, hair], text)
    expect(choosing.text).toBe(text)
    expect(row(choosing, 'Hair').unknown).toEqual(['Bleu'])
    row(choosing, 'Hair').set([1], () => true)
    expect(choosing.text).toBe('Hair[Red,Blue,Grey;$7]; Ghost[Boo]')
    row(choosing, 'Hair').reset()
    choosing.strangers.delete('Ghost')
    expect(choosing.text).toBe('')
  })
})
