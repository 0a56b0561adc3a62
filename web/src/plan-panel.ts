/** The panel of an SDGen Session Plan node: what Run would make, and how the session it started is going. */

import { button, element, Panel } from './dom'
import {
  addPanel,
  type GraphNode,
  hideWidget,
  keepShown,
  lastingId,
  loadedCheckpoint,
  locale,
  nodeClass,
  onExecuted,
  onRemoved,
  redraw,
  setWidget,
  source,
  widgetText
} from './host'
import { Latest } from './latest'
import { askPreview, counted, errorElements, type Preview, type Question } from './preview'
import { type Action, ACTIVE, remember, remembered, type Report, type Session, type Sessions } from './sessions'
import { openSessionMenu } from './session-menu'
import { templateQuestion } from './template-panel'
import { duration, number, type Texts, textsIn } from './texts'

export const TEMPLATE = 'SDGenTemplate'
export const SEED_SWEEP = 'SDGenSeedSweep'

/** Which image a planner is set to. */
export interface Item {
  index: string
  session: string
}

/** The image that the planner's `item` text names; null when it is empty and the whole session is meant. */
export function parseItem(text: unknown): Item | null {
  if (typeof text !== 'string' || !text.trim()) return null
  try {
    const { index, session } = JSON.parse(text) as { index?: unknown; session?: unknown }
    return { index: typeof index === 'number' ? String(index) : '?', session: typeof session === 'string' ? session : '?' }
  } catch {
    return { index: '?', session: '?' }
  }
}

type Plan = { question: Question } | { say: 'connectTemplate' | 'otherSource' } | { linked: string }

export class PlanPanel {
  private readonly panel = new Panel('plan', 44, 260)
  private readonly latest: Latest<Question, Preview>
  private expected: HTMLElement[] = []
  private session: Session | undefined
  private report: Report | undefined
  private wanted: string | undefined
  private item = ''
  private itemSession: Session | undefined
  private place = ''
  /** What became of the last thing that was done to the session. */
  private said: HTMLElement[] = []

  constructor(
    private readonly node: GraphNode,
    private readonly sessions: Sessions
  ) {
    hideWidget(node, 'item') // the panel says what is in it
    addPanel(node, this.panel.root, () => this.panel.height())
    this.latest = new Latest(
      askPreview,
      (preview) => {
        this.expect(expectation(preview, textsIn(locale())))
      },
      (error) => {
        this.expect(errorElements(error, textsIn(locale()), 1)) // the template's node shows all of them
      }
    )
    const stop = sessions.listen((session) => {
      if (session.id === this.wanted) {
        this.session = session
        this.draw()
      }
    })
    onRemoved(node, stop)
    onExecuted(node, (output) => {
      this.executed(output)
    })
    this.draw()
  }

  /** Look whether the node, or what feeds it, says something else now. */
  tick(): void {
    keepShown(this.node, this.panel.root)
    this.restore()
    const item = widgetText(this.node, 'item')
    if (item !== this.item) {
      this.item = item
      void this.nameItem(parseItem(item))
    }
    const plan = this.plan()
    if ('question' in plan) {
      if (this.latest.update(plan.question)) this.panel.root.classList.add('sdgen-stale')
      return
    }
    this.latest.clear()
    const texts = textsIn(locale())
    const text = 'say' in plan ? texts[plan.say] : texts.linkedInput(plan.linked)
    if (this.expected[0]?.textContent !== text) this.expect([element('div', 'sdgen-dim', text)])
  }

  refresh(): void {
    this.latest.clear()
  }

  private plan(): Plan {
    const template = source(this.node, 'template')
    if (!template) return { say: 'connectTemplate' }
    if (nodeClass(template) !== TEMPLATE) return { say: 'otherSource' }
    const question = templateQuestion(template)
    if ('linked' in question) return question
    if (source(this.node, 'count')) return { linked: 'count' }
    const sweep = source(this.node, 'sweep')
    if (sweep && (nodeClass(sweep) !== SEED_SWEEP || source(sweep, 'seeds'))) return { linked: 'seeds' }
    const seeds = sweep ? widgetText(sweep, 'seeds') : ''
    const linked = ['width', 'height', 'steps', 'checkpoint'].some((name) => source(this.node, name))
    const count = Number(widgetText(this.node, 'count'))
    return { question: { ...question, seeds, count, ...(!linked && { planner: this.own() }) } }
  }

  /** What the time of an image depends on. */
  private own(): NonNullable<Question['planner']> {
    const figure = (name: string): number => Number(widgetText(this.node, name))
    return {
      width: figure('width'),
      height: figure('height'),
      steps: figure('steps'),
      checkpoint: widgetText(this.node, 'checkpoint'),
      graph_checkpoint: loadedCheckpoint(this.node)
    }
  }

  private expect(lines: HTMLElement[]): void {
    this.panel.root.classList.remove('sdgen-stale')
    this.expected = lines
    this.draw()
  }

  /** Show the session that this planner started last; the node has its final id only after it was loaded. */
  private restore(): void {
    const place = lastingId(this.node)
    if (place === this.place) return
    this.place = place
    const id = remembered(place)
    if (id) void this.follow(id)
  }

  private executed(output: Record<string, unknown>): void {
    const [report] = Array.isArray(output.sdgen) ? (output.sdgen as Report[]) : []
    if (!report?.id) return
    this.report = report
    this.said = []
    this.wanted = report.id
    remember(lastingId(this.node), report.id)
    this.sessions.reported(report)
  }

  private async follow(id: string): Promise<void> {
    this.wanted = id
    const session = await this.sessions.session(id)
    if (session && this.wanted === id) {
      this.session = session
      this.draw()
    }
  }

  private async nameItem(item: Item | null): Promise<void> {
    this.itemSession = undefined
    this.draw()
    if (item && item.session !== '?') {
      this.itemSession = await this.sessions.session(item.session)
      this.draw()
    }
  }

  private draw(): void {
    const texts = textsIn(locale())
    const item = parseItem(this.item)
    this.panel.show(
      ...(item ? this.pinned(item, texts) : this.expected),
      ...(this.session && !item ? sessionElements(this.session, texts, locale(), this.deeds(texts)) : []),
      ...(this.session && !item ? this.said : []),
      ...(this.report && !item ? reportElements(this.report, texts) : [])
    )
    redraw(this.node)
  }

  /** What the buttons do to the session that is shown when they are pressed. */
  private deeds(texts: Texts): Deeds {
    return {
      act: (action) => {
        if (!this.session) return
        const done = this.sessions.act(this.session, action).then(({ retried }) => (retried === undefined ? [] : [texts.again(retried)]))
        void done.then(this.say, this.failed)
      },
      more: (at) => {
        if (this.session) openSessionMenu(at, this.session, this.sessions, texts, this.say, this.failed)
      }
    }
  }

  private readonly say = (lines: string[]): void => {
    this.said = lines.map((line) => element('div', 'sdgen-said', line))
    this.draw()
  }

  private readonly failed = (error: unknown): void => {
    this.said = errorElements(error, textsIn(locale()))
    this.draw()
  }

  private pinned(item: Item, texts: Texts): HTMLElement[] {
    const name = this.itemSession?.name ?? item.session
    const clear = (): void => {
      setWidget(this.node, 'item', '')
    }
    return [
      element('div', 'sdgen-pinned', element('span', '', texts.oneImage(item.index, name)), button(texts.wholeSession, clear))
    ]
  }
}

function expectation(preview: Preview, texts: Texts): HTMLElement[] {
  return [
    element(
      'div',
      'sdgen-expect',
      element('b', 'sdgen-images', texts.ready(texts.images(preview.images))),
      element('span', 'sdgen-dim', counted(preview, texts))
    ),
    ...costElements(preview, texts)
  ]
}

/** How many model loads the images take, and how long. */
function costElements(preview: Preview, texts: Texts): HTMLElement[] {
  const cost = [
    preview.model_loads && preview.model_loads > 1 && texts.modelLoads(preview.model_loads),
    preview.seconds && preview.like && texts.takesAbout(duration(preview.seconds, texts), preview.like)
  ].filter(Boolean)
  return cost.length > 0 ? [element('div', 'sdgen-dim', cost.join(' · '))] : []
}

function reportElements(report: Report, texts: Texts): HTMLElement[] {
  const did = texts.action[report.action]
  return [
    ...(did ? [element('div', 'sdgen-dim', did(report.added))] : []),
    ...report.warnings.map((warning) => element('div', 'sdgen-warning', warning))
  ]
}

/** What the buttons of a session's panel do. */
export interface Deeds {
  act(action: Action): void
  more(at: HTMLElement): void
}

/** A session's progress: name and state, a bar, counts, rate and time left, and what can be done about it. */
export function sessionElements(session: Session, texts: Texts, language: string, deeds: Deeds): HTMLElement[] {
  const share = (count: number): string => `${session.planned ? (100 * count) / session.planned : 0}%`
  const bar = element('div', 'sdgen-bar', element('div', 'sdgen-done'), element('div', 'sdgen-failed'))
  const [done, failed] = bar.children as unknown as [HTMLElement, HTMLElement]
  done.style.width = share(session.done)
  failed.style.width = share(session.failed)
  bar.setAttribute('role', 'progressbar')
  bar.setAttribute('aria-valuemin', '0')
  bar.setAttribute('aria-valuemax', String(session.planned))
  bar.setAttribute('aria-valuenow', String(session.done))
  const act = (label: string, action: Action): HTMLElement =>
    button(label, () => {
      deeds.act(action)
    })
  const more = button(texts.more, () => {
    deeds.more(more)
  })
  more.classList.add('sdgen-more')
  more.setAttribute('aria-haspopup', 'menu')
  more.setAttribute('aria-label', texts.moreOf(session.name))
  const state = element('span', `sdgen-state sdgen-is-${session.state}`, texts.state[session.state] ?? session.state)
  state.title = texts.stateTip[session.state] ?? ''
  const head = element(
    'div',
    'sdgen-head',
    element('b', 'sdgen-name', session.name),
    state,
    ACTIVE.includes(session.state) && act(texts.pause, 'pause'),
    ['paused', 'stopped'].includes(session.state) && session.left > 0 && act(texts.resume, 'resume'),
    (ACTIVE.includes(session.state) || session.state === 'paused') && act(texts.stop, 'stop'),
    session.state === 'failed' && session.failed > 0 && act(texts.retry, 'retry'),
    more
  )
  const reason = session.state !== 'running' && session.state !== 'failed' && session.reason
  return [
    head,
    bar,
    element('div', 'sdgen-counts', statusLine(session, texts, language)),
    ...(reason ? [element('div', 'sdgen-warning', reason)] : [])
  ]
}

/** `12 of 48 images · 1 failed · 90 a minute · 24 s left`. */
export function statusLine(session: Session, texts: Texts, language: string): string {
  return [
    texts.progress(session.done, session.planned),
    session.failed > 0 && texts.failed(session.failed),
    session.skipped > 0 && texts.skipped(session.skipped),
    session.images_per_minute && texts.rate(number(session.images_per_minute, language)),
    session.eta_seconds && texts.left(duration(session.eta_seconds, texts))
  ]
    .filter(Boolean)
    .join(' · ')
}
