// @vitest-environment jsdom
import { useJudging } from '../../src/app/stores/judging'
import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it } from 'vitest'
import { nextTick } from 'vue'

import type { Api } from '../../src/app/api'
import type { Events, Platform } from '../../src/app/platform'
import { useLedger } from '../../src/app/sessions/ledger'
import { useLibrary } from '../../src/app/sessions/library'
import { above } from '../../src/app/shell/levels'
import { makeShell } from '../../src/app/shell/shell'
import { isSwipeBack } from '../../src/app/shell/swipe'
import { readView } from '../../src/app/address'

beforeEach(() => {
  setActivePinia(createPinia())
  localStorage.clear()
})

describe('the way back', () => {
  it('goes one level at a time, and ends at the list', () => {
    let view = readView('/images?session=abc&q=Hair%3ARed&image=7&review=1')
    const seen: string[] = []
    for (let up = above(view); up; up = above(view)) {
      view = { ...view, ...up }
      seen.push(`${view.screen} ${view.image} ${view.review}`)
    }
    expect(seen).toEqual(['images 0 true', 'images 0 false', 'sessions 0 false'])
    expect([view.session, view.q]).toEqual(['abc', 'Hair:Red'])
  })

  it('is a quick straight swipe to the right', () => {
    const from = { x: 40, y: 300, at: 0 }
    expect(isSwipeBack(from, { x: 160, y: 320, at: 200 })).toBe(true)
    expect(isSwipeBack(from, { x: 80, y: 300, at: 200 })).toBe(false)
    expect(isSwipeBack(from, { x: 160, y: 400, at: 200 })).toBe(false)
    expect(isSwipeBack(from, { x: 160, y: 300, at: 2000 })).toBe(false)
    expect(isSwipeBack({ ...from, x: 300 }, { x: 100, y: 300, at: 200 })).toBe(false)
  })
})

describe('the arrangement', () => {
  it.each([
    [390, true, false, false, false],
    [699, true, false, false, false],
    [800, false, false, false, false],
    [1000, false, true, false, false],
    [1400, false, true, true, false],
    [3440, false, true, true, true]
  ])('at %d pixels', (width, phone, columns, wide, widest) => {
    expect(makeShell(width)).toMatchObject({ phone, columns, wide, widest })
  })

  it('stays as the user left it, and is as at the start where what is stored is not ours', async () => {
    const shell = makeShell(1400)
    shell.sessions = false
    shell.theme = 'light'
    await nextTick()
    expect(makeShell(1400)).toMatchObject({ sessions: false, filters: true, theme: 'light' })
    for (const wrong of ['{', 'null', '{"theme":"pink","filters":"yes"}']) {
      localStorage.setItem('sdgen.shell', wrong)
      expect(makeShell(1400)).toMatchObject({ sessions: true, filters: true, theme: 'auto' })
    }
  })
})

type Handlers = { [Kind in keyof Events]?: (data: Events[Kind]) => void }

function platformWith(handlers: Handlers, comfyui = true): Platform {
  const on = (kind: keyof Events, handle: never): (() => void) => {
    handlers[kind] = handle
    return () => undefined
  }
  return { comfyui, on, toast: () => undefined } as unknown as Platform
}

const order = { id: 'abc', name: 'fruit', state: 'running', reason: '', planned: 10, done: 3, failed: 0, skipped: 0, left: 7, images_per_minute: 12, eta_seconds: 35 }

it('hears how sessions run, and does things to them', async () => {
  const handlers: Handlers = {}
  const posted: unknown[] = []
  const api = {
    get: () => Promise.resolve({ sessions: [order] }),
    post: (route: string, body: object) => {
      posted.push([route, body])
      return Promise.resolve({ ...order, state: 'paused' })
    }
  } as unknown as Api
  const ledger = useLedger()
  ledger.start({ api, platform: platformWith(handlers) })
  await nextTick()
  await nextTick()
  handlers.session?.({ ...order, done: 4 })
  expect(ledger.running.map(({ done }) => done)).toEqual([4])
  await ledger.act('abc', 'pause')
  expect(posted).toEqual([['/sdgen/sessions/abc/pause', {}]])
  expect([ledger.running.length, ledger.open.length, ledger.busy]).toEqual([0, 1, 0])
})

it('asks for no orders where there is no ComfyUI', () => {
  let asked = 0
  useLedger().start({ api: { get: () => asked++ } as unknown as Api, platform: platformWith({}, false) })
  expect(asked).toBe(0)
})

it('shows how far an import is, and what could not be asked', async () => {
  const handlers: Handlers = {}
  let fails = false
  const importing = { running: false, total: 0, sessions: 0, unchanged: 0, images: 0, written: 0, errors: [] }
  const api = {
    catalog: () => Promise.resolve({ totals: { sessions: 3 }, remarks: [], importing, steps: { undo: 'Favourite', redo: null } }),
    get: () => Promise.resolve({ bounds: { counts: { status: { completed: 2, aborted: 1 } } } }),
    post: () => (fails ? Promise.reject(new Error('away')) : Promise.resolve({ ...importing, running: true }))
  } as unknown as Api
  const library = useLibrary()
  library.start({ api, platform: platformWith(handlers) })
  await library.refresh()
  expect(library.statuses).toEqual({ completed: 2, aborted: 1 })
  expect(useJudging().undoable).toBe('Favourite') // by whoever it was said
  await library.importNow()
  expect([library.importing?.running, library.asked]).toEqual([true, true])
  handlers.import?.({ ...importing, running: true, sessions: 2, total: 5 })
  expect(library.importing?.sessions).toBe(2)
  fails = true
  await library.cancelImport()
  expect(library.error?.message).toContain('away')
})
