import { beforeEach, expect, it, vi } from 'vitest'

import { Sessions, type Session } from '../src/sessions'
import { textsIn } from '../src/texts'

const host = vi.hoisted(() => ({ get: vi.fn(), post: vi.fn(), toast: vi.fn(), heard: new Map<string, (detail: unknown) => void>() }))

vi.mock('../src/host', () => ({
  get: host.get,
  post: host.post,
  toast: host.toast,
  isOn: () => true,
  onMessage: (kind: string, handle: (detail: unknown) => void) => host.heard.set(kind, handle)
}))

const failed = { id: 'abc', name: 'fruit', state: 'failed', reason: '1 of 3 images failed', done: 2, failed: 1, planned: 3 } as Session
const running = { ...failed, state: 'running', reason: '', failed: 0 }

function started(): { sessions: Sessions; seen: string[]; message: (session: Session) => void } {
  host.get.mockResolvedValueOnce({ sessions: [] })
  const sessions = new Sessions(() => textsIn('en'))
  const seen: string[] = []
  sessions.start()
  sessions.listen(({ state }) => seen.push(state))
  return { sessions, seen, message: (session) => host.heard.get('sdgen.session')?.(session) }
}

beforeEach(() => vi.resetAllMocks())

it('takes over the answer to an action', async () => {
  const { sessions, seen } = started()
  host.post.mockResolvedValue({ ...running, retried: 1 })
  expect((await sessions.act(failed, 'retry')).retried).toBe(1)
  expect(seen).toEqual(['running'])
})

it('asks anew when messages have overtaken the answer', async () => {
  const { sessions, seen, message } = started()
  let answered: (answer: Session) => void = () => undefined
  host.post.mockReturnValue(new Promise((resolve) => (answered = resolve)))
  host.get.mockImplementationOnce(() => {
    message({ ...failed, name: 'overtaken again' })
    return Promise.resolve(running)
  })
  host.get.mockResolvedValueOnce(failed)
  const done = sessions.act(failed, 'retry')
  message(running)
  message(failed)
  answered(running)
  await done
  await vi.waitFor(() => {
    expect(seen).toHaveLength(4)
  })
  expect(seen).toEqual(['running', 'failed', 'failed', 'failed'])
  expect(host.toast).toHaveBeenCalledTimes(1)
})

it('asks once more after a report', async () => {
  const { sessions, seen, message } = started()
  host.get.mockResolvedValueOnce(failed)
  message(failed)
  sessions.reported({ ...running, action: 'created', added: 3, warnings: [] })
  await vi.waitFor(() => {
    expect(seen).toEqual(['failed', 'running', 'failed'])
  })
})
