/** The panel of an SDGen Template node: what the template would make, before anything runs, and what can be chosen in it. */

import { readChoices } from './choices'
import { button, element, Panel } from './dom'
import {
  addPanel,
  type GraphNode,
  isAlive,
  keepShown,
  locale,
  markWrong,
  post,
  redraw,
  ServerError,
  setWidget,
  source,
  toast,
  widgetText
} from './host'
import { Latest } from './latest'
import { askPreview, errorElements, type Preview, previewElements, type Question } from './preview'
import { openThemes, type ThemeOffer } from './theme-dialog'
import { textsIn } from './texts'
import { type Offer, ValueDialog } from './value-dialog'

const WIDGETS = ['file', 'text', 'theme', 'style', 'mode', 'limit', 'choices', 'distribution'] as const

/** The question a Template node's widgets ask; the input's name when one is fed by another node. */
export function templateQuestion(node: GraphNode): Question | { linked: string } {
  const linked = WIDGETS.find((name) => source(node, name) !== null)
  if (linked) return { linked }
  const text = (name: string): string => widgetText(node, name)
  return {
    file: text('file'),
    text: text('text'),
    theme: text('theme'),
    style: text('style'),
    mode: text('mode'),
    limit: Number(widgetText(node, 'limit')),
    choices: text('choices'),
    distribution: text('distribution') || 'weighted'
  }
}

export class TemplatePanel {
  private readonly panel = new Panel('template', 60, 420)
  private readonly latest: Latest<Question, Preview>
  private readonly unfolded = new Set<number>()
  private open: HTMLDialogElement | undefined
  private linked: string | undefined

  constructor(
    private readonly node: GraphNode,
    private readonly readAgain: () => void
  ) {
    addPanel(node, this.panel.root, () => this.panel.height())
    this.latest = new Latest(
      askPreview,
      (preview) => {
        this.answered(preview)
      },
      (error) => {
        this.failed(error)
      }
    )
    this.show(element('div', 'sdgen-dim', textsIn(locale()).askingServer))
  }

  /** Look whether the widgets say something else now. */
  tick(): void {
    keepShown(this.node, this.panel.root)
    const question = templateQuestion(this.node)
    const linked = 'linked' in question ? question.linked : undefined
    if (linked !== undefined && linked !== this.linked) {
      this.latest.clear()
      this.show(element('div', 'sdgen-dim', textsIn(locale()).linkedInput(linked)))
      markWrong(this.node, this.panel.root, false)
    }
    this.linked = linked
    if (!('linked' in question) && this.latest.update(question)) this.panel.root.classList.add('sdgen-stale')
  }

  /** Ask again, though the widgets say the same: a file may have changed. */
  refresh(): void {
    this.latest.clear()
  }

  /** Close what is open and leave nothing behind. */
  removed(): void {
    this.latest.clear()
    this.open?.close()
  }

  private answered(preview: Preview): void {
    const actions = {
      chosen: new Set(readChoices(widgetText(this.node, 'choices')).choices.keys()),
      choose: (placeholder: string) => void this.chooseValues(placeholder),
      unfolded: this.unfolded,
      resized: () => {
        redraw(this.node)
      }
    }
    this.show(this.tools(), ...previewElements(preview, textsIn(locale()), locale(), actions))
    markWrong(this.node, this.panel.root, false)
  }

  private failed(error: unknown): void {
    this.show(this.tools(), ...errorElements(error, textsIn(locale())))
    markWrong(this.node, this.panel.root, error instanceof ServerError)
  }

  private tools(): HTMLElement {
    const texts = textsIn(locale())
    const tool = (text: string, tip: string, press: () => void): HTMLElement => {
      const made = button(text, press)
      made.title = tip
      made.setAttribute('aria-label', tip)
      return made
    }
    return element(
      'div',
      'sdgen-toolbar',
      tool(texts.values, texts.valuesTip, () => void this.chooseValues()),
      tool(texts.theme, texts.themeTip, () => void this.chooseTheme()),
      tool('⟳', texts.readAgain, this.readAgain)
    )
  }

  /** Let the user choose the values of the placeholders, beginning with `start`. */
  private async chooseValues(start?: string): Promise<void> {
    const texts = textsIn(locale())
    const question = templateQuestion(this.node)
    if ('linked' in question) return
    const offer = await this.ask<Offer>('choices', question)
    if (!offer) return
    if (!offer.placeholders.length) {
      toast('info', offer.name, texts.noPlaceholders)
      return
    }
    const dialog = new ValueDialog(
      offer,
      question.choices,
      start,
      texts,
      (choices, signal) => askPreview({ ...question, choices }, signal),
      (choices) => {
        setWidget(this.node, 'choices', choices)
      }
    )
    this.opened(dialog.modal)
  }

  private async chooseTheme(): Promise<void> {
    const question = templateQuestion(this.node)
    if ('linked' in question) return
    const answer = await this.ask<{ themes: ThemeOffer[] }>('themes', question)
    if (!answer) return
    const { theme, style, file } = question
    const name = file.replace(/^.*\//, '').replace(/\.prompt\.ya?ml$/, '')
    this.opened(
      openThemes(answer.themes, name, { theme: theme.trim(), style: style.trim() }, textsIn(locale()), (newTheme, newStyle) => {
        setWidget(this.node, 'theme', newTheme)
        setWidget(this.node, 'style', newStyle)
      })
    )
  }

  private opened(modal: HTMLDialogElement): void {
    this.open = modal
    modal.addEventListener('close', () => {
      this.open = undefined
    })
  }

  /** Undefined when there is no answer, or when something was opened meanwhile. */
  private async ask<Answer>(what: string, question: Question): Promise<Answer | undefined> {
    try {
      const answer = (await post(`/sdgen/templates/${what}`, question)) as Answer
      return this.open || !isAlive(this.node) ? undefined : answer
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }

  private show(...lines: HTMLElement[]): void {
    this.panel.root.classList.remove('sdgen-stale')
    this.panel.show(...lines)
    redraw(this.node)
  }
}
