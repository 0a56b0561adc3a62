// @vitest-environment jsdom
import { beforeAll, beforeEach, expect, it, vi } from 'vitest'

import { Panel, button, element } from '../src/dom'
import { ServerError } from '../src/host'
import { findings, openSessionMenu } from '../src/session-menu'
import type { Session, Sessions } from '../src/sessions'
import { textsIn } from '../src/texts'

const en = textsIn('en')
const session: Session = {
  id: 'abc',
  name: 'fruit',
  state: 'paused',
  reason: '',
  planned: 48,
  done: 12,
  failed: 2,
  left: 34,
  skipped: 1,
  folder: '/out/sdgen/now-fruit',
  images_per_minute: null,
  eta_seconds: null
}

beforeAll(() => {
  // jsdom has no modal dialogs
  Object.assign(HTMLDialogElement.prototype, {
    showModal(this: HTMLDialogElement) {
      this.open = true
    },
    close(this: HTMLDialogElement) {
      this.open = false
      this.dispatchEvent(new Event('close'))
    }
  })
})

beforeEach(() => {
  document.body.replaceChildren()
})

function opened(change: Partial<Session>, act: (...given: unknown[]) => Promise<unknown>): { said: string[][]; failed: unknown[] } {
  const at = button('More', () => undefined)
  document.body.append(at)
  const [said, failed]: [string[][], unknown[]] = [[], []]
  const sessions = { act } as unknown as Sessions
  openSessionMenu(at, { ...session, ...change }, sessions, en, (lines) => said.push(lines), (error) => failed.push(error))
  return { said, failed }
}

const labels = (): string[] => [...document.querySelectorAll<HTMLButtonElement>('[role=menuitem]:not([disabled])')].map((one) => one.textContent)
const press = (text: string): void => {
  ;[...document.querySelectorAll('button')].find((one) => one.textContent === text)?.click()
}

it('offers what the state of the session allows', () => {
  opened({}, () => Promise.resolve({}))
  expect(labels()).toContain('Rename …')
  expect(labels()).toContain('Leave out failed')
  document.body.replaceChildren()
  opened({ state: 'running', failed: 0, skipped: 0, done: 0 }, () => Promise.resolve({}))
  expect(labels()).toEqual(['Extend …', 'Plan fewer …', 'Leave out …', 'Verify …'])
})

it('is walked through with the arrows', () => {
  opened({}, () => Promise.resolve({}))
  const key = (name: string): void => {
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }))
  }
  expect(document.activeElement?.textContent).toBe('Compare …')
  key('ArrowDown')
  expect(document.activeElement?.textContent).toBe('Extend …')
  key('ArrowUp')
  key('ArrowUp')
  expect(document.activeElement?.textContent).toBe('Rebuild …')
  key('ArrowDown')
  expect(document.activeElement?.textContent).toBe('Compare …')
})

it('sends what the form says, and keeps the form open when it is refused', async () => {
  const answers = [Promise.reject(new ServerError('bad-option', 'no seeds', 'Write 1-4.')), Promise.resolve({ added: 4 })]
  const act = vi.fn<(...given: unknown[]) => Promise<unknown>>(() => answers.shift() ?? Promise.resolve({}))
  const { said, failed } = opened({}, act)
  press('Extend …')
  const field = document.querySelector<HTMLInputElement>('input[name=more]')
  if (!field) throw new Error('no field')
  field.value = '4'
  press('Do it')
  await vi.waitFor(() => {
    expect(document.querySelector('.sdgen-form-notes')?.textContent).toContain('Write 1-4.')
  })
  expect(failed).toHaveLength(1)
  press('Do it')
  await vi.waitFor(() => {
    expect(said).toEqual([['4 images added']])
  })
  expect(act).toHaveBeenLastCalledWith(expect.objectContaining({ id: 'abc' }), 'extend', { more: 4, seeds: '' })
  expect(document.querySelector('dialog')).toBeNull()
})

it('tells what a check found', () => {
  const verify = { ok: false, missing: [], torn: ['a.png'], done_without_file: [1, 2, 3, 4], advice: ['retry'] }
  expect(findings({ ...session, verify }, en)).toEqual([
    'Files, manifest and ledger do not agree.',
    'damaged: 1 (a.png)',
    'made, but gone: 4 (1, 2, 3 …)',
    'retry'
  ])
})

it('keeps a pressed button until its click, and the keyboard where it was', async () => {
  const panel = new Panel('plan', 10, 100)
  document.body.append(panel.root)
  const pressed: string[] = []
  const first = button('Pause', () => pressed.push('first'))
  panel.show(first)
  first.dispatchEvent(new Event('pointerdown', { bubbles: true }))
  panel.show(button('Pause', () => pressed.push('second')), 'later')
  expect(first.isConnected).toBe(true)
  window.dispatchEvent(new Event('pointerup'))
  first.click()
  await vi.waitFor(() => {
    expect(panel.root.textContent).toBe('Pauselater')
  })
  expect(pressed).toEqual(['first'])
  panel.root.querySelector('button')?.focus()
  panel.show(button('Pause', () => undefined))
  expect(document.activeElement).toBe(panel.root.querySelector('button'))
})

it('leaves what looks the same in its place, whatever comes, goes or changes around it', () => {
  const panel = new Panel('plan', 10, 100)
  const head = (): HTMLElement => element('div', 'sdgen-head', button('Pause', () => undefined))
  const line = (text: string): HTMLElement => element('div', '', text)
  const first = head()
  const same = line('same')
  panel.show(line('expected'), first, line('1 of 8'), same)
  const content = first.parentElement
  const moved: Node[] = []
  const watch = new MutationObserver((records) => {
    for (const record of records) moved.push(...record.addedNodes, ...record.removedNodes)
  })
  if (content) watch.observe(content, { childList: true })
  panel.show(line('expected'), head(), line('2 of 8'), line('same'), line('new'))
  panel.show(head(), line('3 of 8'), false, line('same'))
  panel.show(head(), head(), line('same'), line('same'))
  for (const record of watch.takeRecords()) moved.push(...record.addedNodes, ...record.removedNodes)
  expect(moved).not.toContain(first)
  expect(moved).not.toContain(same)
  expect([...(content?.children ?? [])].map((one) => one.textContent)).toEqual(['Pause', 'Pause', 'same', 'same'])
  panel.show()
  expect(content?.childNodes).toHaveLength(0)
})
