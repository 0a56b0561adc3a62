import { expect, it } from 'vitest'

import { readView, writeView } from '../../src/app/address'
import { ApiError } from '../../src/app/api'
import { above } from '../../src/app/shell/levels'
import { curveOf, nearest, trendOf } from '../../src/app/training/curve'
import { EMPTY, folded, joined, type Log } from '../../src/app/training/log'
import { actsOf, complaint, type LogPiece, type RunCard, shareOf, type Trainer, withRun } from '../../src/app/training/model'
import { fileName, isSame, known, readOption, shownOption } from '../../src/app/training/options'
import { recipeOf } from '../../src/app/training/recipe'
import { ofValue } from '../../src/app/training/wanted'
import { training as english } from '../../src/app/texts/en/training'
import { training as french } from '../../src/app/texts/fr/training'

const run = (more: Partial<RunCard> = {}): RunCard => ({
  id: 'a', name: 'red', trainer: 'native', checkpoint: 'base.safetensors', dataset: 'reds', state: 'running', reason: '', wish: '', phase: '', step: 1, steps: 4, loss: null,
  left: null, created_at: 0, ended_at: null, cause: null, saves: true, resumable: null, lora: '', ...more
}) // prettier-ignore

it('offers what a run can do as it is now', () => {
  expect(actsOf(run())).toEqual(['save', 'stop'])
  expect(actsOf(run({ saves: false }))).toEqual(['stop'])
  expect(actsOf(run({ state: 'waiting', saves: false }))).toEqual(['stop'])
  expect(actsOf(run({ wish: 'save' }))).toEqual(['stop'])
  expect(actsOf(run({ wish: 'stop' }))).toEqual([])
  expect(actsOf(run({ state: 'stopping' }))).toEqual([])
  expect(actsOf(run({ state: 'failed' }))).toEqual(['forget'])
  expect(actsOf(run({ state: 'stopped', resumable: 2 }))).toEqual(['resume', 'forget'])
  expect(actsOf(run({ state: 'done', resumable: null }))).toEqual(['forget'])
})

it('shows how much is done, never more than all of it', () => {
  expect([shareOf(run()), shareOf(run({ step: 9 })), shareOf(run({ steps: 0 }))]).toEqual([0.25, 1, 0])
})

it('takes in what is told of a run: in its place, as the newest, or gone', () => {
  const [one, other] = [run(), run({ id: 'b' })]
  expect(withRun([one], 'b', other).map(({ id }) => id)).toEqual(['b', 'a'])
  expect(withRun([other, one], 'a', run({ step: 3 })).map(({ step }) => step)).toEqual([1, 3])
  expect(withRun([other, one], 'b', null)).toEqual([one])
})

it('puts a log together from pieces on either side, and starts anew where one fits on neither', () => {
  const piece = (start: number, text: string, size = 20): LogPiece => ({ start, end: start + text.length, size, text })
  const shown = ({ pieces, ...rest }: Log): object => (expect(pieces.length).toBeGreaterThan(0), rest)
  let log = joined(EMPTY, piece(10, 'cd'))
  log = joined(log, piece(12, 'ef'))
  log = joined(log, piece(8, 'ab'))
  expect(shown(log)).toEqual({ start: 8, end: 14, size: 20, text: 'abcdef' })
  expect(shown(joined(log, piece(0, 'new', 3)))).toEqual({ start: 0, end: 3, size: 3, text: 'new' })
})

it('forgets the beginning of a very long log piece by piece, and knows where it is', () => {
  const text = `${'é'.repeat(99)}\n`
  const bytes = 1_000 // of which the server has left out folders
  const piece = (n: number): LogPiece => ({ start: n * bytes, end: (n + 1) * bytes, size: 4_000 * bytes, text })
  let log = EMPTY
  for (let n = 0; n < 4_000; n++) log = joined(log, piece(n))
  expect([log.text.length, log.start, log.end]).toEqual([300_000, 1_000 * bytes, 4_000 * bytes])
  log = joined(log, piece(999))
  expect([log.text.length, log.start]).toEqual([300_100, 999 * bytes])
})

it('shows a log as a terminal does', () => {
  expect(folded('a\r\nsteps 1\rsteps 2\rsteps 3\nend\r')).toBe('a\nsteps 3\nend')
})

it('draws the curve from the first step to the last that is wanted', () => {
  const points = [{ step: 0, loss: 2 }, { step: 50, loss: 1 }, { step: 100, loss: 0 }] // prettier-ignore
  const curve = curveOf(points, 200, 400, 100)
  expect(curve.places).toEqual([{ x: 0, y: 0 }, { x: 100, y: 50 }, { x: 200, y: 100 }]) // prettier-ignore
  expect(curve.line).toBe('M0 0 L100 50 L200 100')
  expect([curve.low, curve.high]).toEqual([0, 2])
  expect(curveOf([{ step: 3, loss: 0.5 }], 0, 400, 100).places).toEqual([{ x: 400, y: 50 }])
  expect(nearest(curve.places, 149)).toBe(1)
  expect(nearest([], 1)).toBe(-1)
})

it('smooths a curve without leaving its range, and a steady one not at all', () => {
  expect(trendOf([0.3, 0.3, 0.3])).toEqual([0.3, 0.3, 0.3])
  const jumping = Array.from({ length: 300 }, (_, n) => n % 2)
  const trend = trendOf(jumping).slice(100)
  expect(Math.max(...trend) - Math.min(...trend)).toBeLessThan(0.2)
})

it('reads options as their kinds, and says only what somebody said', () => {
  const kind = (name: 'int' | 'float' | 'list' | 'text' | 'choice', choices: unknown[] = []) => ({ kind: name, choices })
  expect(readOption(kind('int'), ' 12 ')).toBe(12)
  expect(readOption(kind('float'), '1e-4')).toBe(0.0001)
  expect(readOption(kind('float'), 'many')).toBe('many') // the server says what is wrong with it
  expect(readOption(kind('list'), 'a=1  b=2')).toEqual(['a=1', 'b=2'])
  expect(readOption(kind('choice', [4, 'x']), '4')).toBe(4)
  expect(readOption(kind('text'), '  ')).toBeUndefined()
  expect([shownOption(null), shownOption(['a', 1]), shownOption(false), shownOption({})]).toEqual(['', 'a 1', 'false', ''])
  expect([isSame([1], [1]), isSame(1, '1')]).toEqual([true, false])
})

it('names files so that every system takes them', () => {
  expect([fileName('Hair: red / long?'), fileName('Épée'), fileName('..')]).toEqual(['Hair_red_long', 'Epee', ''])
  expect([fileName('髪: がぎ'), fileName('हिन्दी')]).toEqual(['髪_がぎ', 'हिन्दी'])
})

it('keeps of the options that somebody changed those that another model has', () => {
  const groups = [{ name: '', options: [{ name: 'rank' }] }] as unknown as Trainer['groups']
  expect(known({ rank: 4, clip_skip: 2 }, groups)).toEqual({ rank: 4 })
})

it('makes a recipe of what was chosen', () => {
  const chosen = { name: 'reds', best: 20, minimum: 50, trigger: 'sks', learned: 'replace' as const }
  const value = { placeholder: 'Hair', key: 'Red', text: 'red hair' }
  expect(recipeOf(ofValue(value, 'mine', 'is:favourite'), chosen)).toEqual({
    name: 'reds', value: 'Hair=Red', sessions: ['mine'], query: 'is:favourite', best: 0.2, minimum: 0.5, captions: { trigger: 'sks', learned: 'replace' }
  }) // prettier-ignore
  expect(recipeOf(ofValue(value, '', ''), { ...chosen, trigger: '', best: 0 })).toEqual({ name: 'reds', value: 'Hair=Red', best: 0.01, minimum: 0.5, captions: { trigger: '', learned: 'keep' } })
  expect(recipeOf({ sessions: [] }, chosen)).toEqual({ name: 'reds', best: 0.2, minimum: 0.5, captions: { trigger: 'sks', learned: 'keep' } })
})

it('has a run in the address, and a way back from it', () => {
  const view = readView('/training?run=abc')
  expect([view.screen, view.run, writeView(view)]).toEqual(['training', 'abc', '/training?run=abc'])
  expect(above(view)).toEqual({ run: '' })
  expect(above({ ...view, run: '' })).toEqual({ screen: 'sessions' })
})

it('says the same in both languages', () => {
  expect(Object.keys(french)).toEqual(Object.keys(english))
  expect(french.because('duplicate', 'nearly the same as a better one')).toBe('presque identiques à une meilleure')
  expect(french.because('new', 'of a newer server')).toBe('of a newer server')
})

it('says what is wrong in French by its code, with what the server names', () => {
  expect(french.told('out-of-memory', 'The main memory is full.')).toBe('La mémoire ne suffit pas pour entraîner ce modèle.')
  expect(french.told('bad-caption', 'The caption a.txt is empty.')).toBe('Une légende est vide ou ne se lit pas (The caption a.txt is empty).')
  expect([french.told('new-code', 'Something new.'), french.help('new-code', 'Do it.')]).toEqual(['Something new.', 'Do it.'])
  expect(french.reason('waits for the end of red.hair')).toBe('attend la fin de red.hair')
  expect(french.reason('waits for something new')).toBe('waits for something new')
  const error = new ApiError('unknown-run', 'there is no run', 'It was removed.')
  expect([complaint(error, english), complaint(error, french)]).toEqual(['there is no run It was removed.', 'Cet entraînement n’est plus là. Il a été retiré de la liste.'])
})
