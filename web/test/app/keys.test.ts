// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'

import { actionOf, ACTIONS, assignable, type Handlers, isChanged, isTyping, keysOf, NAMES, resetKeys, setKeys, shown, spec, textOf, useKeys, written } from '../../src/app/keys'
import { textsIn } from '../../src/app/texts'

const press = (key: string, more: KeyboardEventInit = {}): KeyboardEvent => new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, composed: true, ...more })

let scope: EffectScope
let app: HTMLElement
const use = (handlers: Handlers, active?: () => boolean, alone?: boolean): void => scope.run(() => useKeys(handlers, active, alone))

beforeEach(() => {
  scope = effectScope()
  app = document.createElement('div')
  app.className = 'sdgen-app'
  app.tabIndex = -1
  document.body.append(app)
})
afterEach(() => {
  scope.stop()
  app.remove()
  resetKeys()
})

describe('the table', () => {
  it('gives no key to two actions', () => {
    const all = NAMES.flatMap((name) => ACTIONS[name].keys)
    expect(all).toHaveLength(new Set(all).size)
  })

  it('has words for every action in both languages', async () => {
    for (const language of ['en', 'fr']) {
      const texts = await textsIn(language)
      for (const name of NAMES) expect(textOf(name, texts), name).toMatch(/\S/)
    }
  })

  it('says keys as people read them', () => {
    expect(['f', 'Shift+1', 'ArrowRight', 'Mod+Shift+z', '+', 'Delete'].map(shown)).toEqual(['F', '⇧ 1', '→', 'Ctrl ⇧ Z', '+', 'Del'])
  })
})

describe('which key it was', () => {
  it.each([
    ['f', { key: 'f', code: 'KeyF' }],
    ['Shift+z', { key: 'Z', code: 'KeyZ', shiftKey: true }],
    ['f', { key: 'F', code: 'KeyF' }], // Caps Lock
    ['Mod+z', { key: 'z', code: 'KeyZ', ctrlKey: true }],
    ['Mod+z', { key: 'z', code: 'KeyZ', metaKey: true }],
    ['a', { key: 'a', code: 'KeyQ' }], // the letter printed on a French keyboard
    ['k', { key: 'л', code: 'KeyK' }], // a Russian keyboard has no Latin letters
    ['1', { key: '&', code: 'Digit1' }], // digits need Shift on a French keyboard
    ['Shift+1', { key: '1', code: 'Digit1', shiftKey: true }],
    ['Shift+1', { key: '!', code: 'Digit1', shiftKey: true }],
    ['5', { key: '5', code: 'Numpad5' }],
    ['ArrowLeft', { key: 'ArrowLeft', code: 'Numpad4' }],
    ['?', { key: '?', code: 'Slash', shiftKey: true }],
    ['?', { key: '?', code: 'KeyM', shiftKey: true }],
    ['Shift+Space', { key: ' ', code: 'Space', shiftKey: true }],
    ['+', { key: '+', code: 'NumpadAdd' }],
    ['', { key: 'Shift', code: 'ShiftLeft', shiftKey: true }],
    ['', { key: 'Process', code: 'KeyK' }],
    ['', { key: 'Dead', code: 'BracketLeft' }],
    ['', { key: 'k', code: 'KeyK', isComposing: true }]
  ])('%s', (combo, { key, ...more }) => {
    expect(written(press(key, more))).toBe(combo)
  })
})

describe('changing keys', () => {
  it('takes the key from whoever had it, and is kept', () => {
    setKeys('favourite', ['k'])
    expect(actionOf('k')).toBe('favourite')
    expect(actionOf('f')).toBeNull()
    expect(keysOf('ko')).toEqual([])
    expect(JSON.parse(localStorage.getItem('sdgen.keys') ?? '')).toEqual({ favourite: ['k'], ko: [] })
    expect(isChanged()).toBe(true)
  })

  it('leaves the other keys of whoever had several', () => {
    setKeys('favourite', ['Delete'])
    expect(keysOf('trash')).toEqual(['t'])
  })

  it('goes back to the table', () => {
    setKeys('favourite', ['k'])
    resetKeys()
    expect(NAMES.every((name) => keysOf(name) === ACTIONS[name].keys)).toBe(true)
    expect(localStorage.getItem('sdgen.keys')).toBeNull()
  })

  it('never loses the way out', () => {
    expect(spec('back').fixed).toBe(true)
    expect(['Escape', 'Tab', 'F5', ''].some(assignable)).toBe(false)
  })

  it('reads what is stored, and nothing that is wrong', async () => {
    localStorage.setItem('sdgen.keys', JSON.stringify({ ok: ['q'], back: ['x'], unknown: ['y'], ko: 'k', partial: [1] }))
    vi.resetModules()
    const fresh = await import('../../src/app/keys')
    expect(fresh.keysOf('ok')).toEqual(['q'])
    expect([fresh.keysOf('back'), fresh.keysOf('ko'), fresh.keysOf('partial')]).toEqual([['Escape'], ['k'], ['p']])
    localStorage.setItem('sdgen.keys', 'nonsense')
    vi.resetModules()
    expect((await import('../../src/app/keys')).keysOf('ok')).toEqual(['o'])
    localStorage.removeItem('sdgen.keys')
  })
})

describe('listening', () => {
  it('does what a key says, once, and nobody behind hears of it', () => {
    const [favourite, behind] = [vi.fn(), vi.fn()]
    use({ favourite })
    document.body.addEventListener('keydown', behind)
    const event = press('f')
    app.dispatchEvent(event)
    expect(favourite).toHaveBeenCalledTimes(1)
    expect(behind).not.toHaveBeenCalled()
    expect(event.defaultPrevented).toBe(true)
    document.body.removeEventListener('keydown', behind)
  })

  it.each(['text', 'search', 'number'])('is silent while somebody types into a %s field', (type) => {
    const trash = vi.fn()
    use({ trash })
    const field = Object.assign(document.createElement('input'), { type })
    app.append(field)
    for (const key of ['t', 'Delete']) field.dispatchEvent(press(key))
    expect(trash).not.toHaveBeenCalled()
  })

  it('knows what typing is', () => {
    const made = (name: string, more: object = {}): HTMLElement => Object.assign(document.createElement(name), more)
    expect(['textarea', 'select'].map((name) => isTyping(made(name)))).toEqual([true, true])
    expect([made('input', { type: 'checkbox' }), made('button'), made('div')].some(isTyping)).toBe(false)
  })

  it('is silent while an input method composes', () => {
    const ko = vi.fn()
    use({ ko })
    app.dispatchEvent(press('k', { isComposing: true }))
    app.dispatchEvent(press('Process', { code: 'KeyK' }))
    expect(ko).not.toHaveBeenCalled()
  })

  it('leaves Space and Enter to buttons', () => {
    const [next, open] = [vi.fn(), vi.fn()]
    use({ next, open })
    const button = document.createElement('button')
    app.append(button)
    button.dispatchEvent(press(' '))
    button.dispatchEvent(press('Enter'))
    expect([next, open].some(({ mock }) => mock.calls.length)).toBe(false)
    app.dispatchEvent(press(' '))
    button.dispatchEvent(press('ArrowRight'))
    expect(next).toHaveBeenCalledTimes(2)
  })

  it('judges once however long the key is held, and goes on moving', () => {
    const [ok, next] = [vi.fn(), vi.fn()]
    use({ ok, next })
    for (const repeat of [false, true, true]) {
      app.dispatchEvent(press('o', { repeat }))
      app.dispatchEvent(press('ArrowRight', { repeat }))
    }
    expect(ok).toHaveBeenCalledTimes(1)
    expect(next).toHaveBeenCalledTimes(3)
  })

  it('asks what is on top first, and below only where that does not want it', () => {
    const [below, above, wanted] = [vi.fn(), vi.fn(() => false), vi.fn()]
    use({ favourite: below, trash: below, interesting: below })
    use({ favourite: above, trash: wanted })
    for (const key of ['f', 't', 'i']) app.dispatchEvent(press(key))
    expect(below).toHaveBeenCalledTimes(2)
    expect([above, wanted].map(({ mock }) => mock.calls.length)).toEqual([1, 1])
  })

  it('asks nobody below a window, nor who is not active', () => {
    const below = vi.fn()
    let active = false
    use({ favourite: below }, () => active)
    app.dispatchEvent(press('f'))
    expect(below).not.toHaveBeenCalled()
    active = true
    app.dispatchEvent(press('f'))
    expect(below).toHaveBeenCalledTimes(1)
    use({}, undefined, true)
    app.dispatchEvent(press('f'))
    expect(below).toHaveBeenCalledTimes(1)
  })

  it('keeps Delete from the canvas where nothing has the focus, and leaves fields elsewhere alone', () => {
    const heard = vi.fn()
    document.addEventListener('keydown', heard)
    use({ favourite: vi.fn() })
    document.body.dispatchEvent(press('Delete'))
    document.body.dispatchEvent(press('Backspace'))
    expect(heard).not.toHaveBeenCalled()
    document.body.dispatchEvent(press('q'))
    expect(heard).toHaveBeenCalledTimes(1)
    const field = document.createElement('input')
    document.body.append(field)
    field.dispatchEvent(press('Delete'))
    expect(heard).toHaveBeenCalledTimes(2)
    field.remove()
    document.removeEventListener('keydown', heard)
  })

  it('hears nothing any more when the component is gone', () => {
    const favourite = vi.fn()
    use({ favourite })
    scope.stop()
    app.dispatchEvent(press('f'))
    expect(favourite).not.toHaveBeenCalled()
  })

  it('follows a changed key at once', () => {
    const favourite = vi.fn()
    use({ favourite })
    setKeys('favourite', ['q'])
    app.dispatchEvent(press('f'))
    app.dispatchEvent(press('q'))
    expect(favourite).toHaveBeenCalledTimes(1)
  })
})
