// @vitest-environment jsdom
import { beforeEach, expect, it } from 'vitest'

import { parseItem, statusLine } from '../src/plan-panel'
import { ending, remember, remembered, type Session } from '../src/sessions'
import { textsIn } from '../src/texts'

const en = textsIn('en')

const session: Session = {
  id: 'abc',
  name: 'fruit',
  state: 'running',
  reason: '',
  planned: 48,
  done: 12,
  failed: 0,
  left: 36,
  skipped: 0,
  folder: '/out/sdgen/now-fruit',
  images_per_minute: null,
  eta_seconds: null
}

beforeEach(() => {
  localStorage.clear()
})

it.each([
  ['', null],
  ['  ', null],
  [undefined, null],
  ['{"index": 5, "session": "abc", "positive": "x"}', { index: '5', session: 'abc' }],
  ['{"positive": "x"}', { index: '?', session: '?' }],
  ['no json', { index: '?', session: '?' }],
  ['null', { index: '?', session: '?' }]
])('item %j', (text, item) => {
  expect(parseItem(text)).toEqual(item)
})

it('has one line of status', () => {
  expect(statusLine(session, en, 'en')).toBe('12 of 48 images')
  const running = { ...session, failed: 1, images_per_minute: 90.5, eta_seconds: 24 }
  expect(statusLine(running, en, 'en')).toBe('12 of 48 images · 1 failed · 90.5 a minute · 24 s left')
})

it('says what was left out', () => {
  expect(statusLine({ ...session, skipped: 3 }, en, 'en')).toBe('12 of 48 images · 3 left out')
})

it.each([
  ['completed', '', 'success', 'Session fruit is complete', '12 of 48 images made'],
  ['failed', '2 of 48 images failed', 'error', 'Session fruit ended with errors', '2 of 48 images failed · 12 of 48 images made'],
  ['paused', 'cancelled', 'warn', 'Session fruit is paused', 'cancelled · 12 of 48 images made']
])('tells when a session is %s', (state, reason, severity, summary, detail) => {
  expect(ending({ ...session, state, reason }, en)).toEqual({ severity, summary, detail })
})

it('says nothing of a session that runs, or that was stopped elsewhere', () => {
  expect(ending(session, en)).toBeUndefined()
  expect(ending({ ...session, state: 'stopped' }, en)).toBeUndefined()
})

it('remembers the last session of a planner, and not for ever', () => {
  expect(remembered('w/1')).toBeUndefined()
  remember('w/1', 'a')
  remember('w/1', 'b')
  expect(remembered('w/1')).toBe('b')
  for (let n = 0; n < 150; n++) remember(`other/${n}`, 'x')
  expect(remembered('w/1')).toBeUndefined()
  expect(remembered('other/149')).toBe('x')
  localStorage.setItem('sdgen.planners', '{broken')
  expect(remembered('other/149')).toBeUndefined()
})
