/** The panel of an SDGen Template node: what the template would make, before anything runs. */

import { element, Panel } from './dom'
import { addPanel, type GraphNode, locale, redraw, source, widgetText } from './host'
import { Latest } from './latest'
import { askPreview, errorElements, type Preview, previewElements, type Question } from './preview'
import { textsIn } from './texts'

const WIDGETS = ['file', 'text', 'theme', 'style', 'mode', 'limit'] as const

/** The question a Template node's widgets ask; null with the input's name when one is fed by another node. */
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
    limit: Number(widgetText(node, 'limit'))
  }
}

export class TemplatePanel {
  private readonly panel = new Panel('template', 60, 340)
  private readonly latest: Latest<Question, Preview>

  constructor(private readonly node: GraphNode) {
    addPanel(node, this.panel.root, () => this.panel.height())
    this.latest = new Latest(
      askPreview,
      (preview) => {
        this.show(...previewElements(preview, textsIn(locale()), locale()))
      },
      (error) => {
        this.show(...errorElements(error, textsIn(locale())))
      }
    )
    this.show(element('div', 'sdgen-dim', textsIn(locale()).askingServer))
  }

  /** Look whether the widgets say something else now. */
  tick(): void {
    const question = templateQuestion(this.node)
    if ('linked' in question) {
      this.latest.clear()
      this.show(element('div', 'sdgen-dim', textsIn(locale()).linkedInput(question.linked)))
    } else if (this.latest.update(question)) this.panel.root.classList.add('sdgen-stale')
  }

  /** Ask again, though the widgets say the same: a file may have changed. */
  refresh(): void {
    this.latest.clear()
  }

  private show(...lines: HTMLElement[]): void {
    this.panel.root.classList.remove('sdgen-stale')
    this.panel.show(...lines)
    redraw(this.node)
  }
}
