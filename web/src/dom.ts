/** Making elements without a library: the panels are small. Text is always set as text, never as HTML. */

type Child = Node | string | null | undefined | false

/** An element of class `sdgen-…` with children; `null` and `false` children are left out. */
export function element(tag: string, className: string, ...children: Child[]): HTMLElement {
  const made = document.createElement(tag)
  made.className = className
  for (const child of children) if (child !== null && child !== undefined && child !== false) made.append(child)
  return made
}

/** A button that cannot drag or select the node below it. */
export function button(text: string, press: () => void): HTMLElement {
  const made = element('button', 'sdgen-button', text)
  made.setAttribute('type', 'button')
  made.addEventListener('pointerdown', (event) => {
    event.stopPropagation()
  })
  made.addEventListener('click', (event) => {
    event.stopPropagation()
    press()
  })
  return made
}

/** A panel: a box in the node with one content, whose height is remembered while it is not shown. */
export class Panel {
  readonly root = element('div', 'sdgen-panel')
  private readonly content = element('div', 'sdgen-content')
  private measured: number
  private pressed = false
  private waiting: Child[] | undefined

  constructor(
    kind: string,
    private readonly lowest: number,
    private readonly highest: number
  ) {
    this.root.classList.add(`sdgen-${kind}`)
    this.root.append(this.content)
    this.measured = lowest
    this.root.addEventListener(
      'pointerdown',
      () => {
        this.pressed = true
        window.addEventListener('pointerup', this.released, { capture: true, once: true })
        window.addEventListener('pointercancel', this.released, { capture: true, once: true })
      },
      { capture: true }
    )
  }

  /** The click comes right after the release. */
  private readonly released = (): void => {
    setTimeout(() => {
      this.pressed = false
      const waiting = this.waiting
      this.waiting = undefined
      if (waiting) this.show(...waiting)
    })
  }

  /**
   * Show `children` instead of what is there. A session that runs shows new figures many times a second: a child that would look the
   * same stays in its place with its buttons (so what they do must not depend on when they were made), a button that is being pressed
   * stays until its click has come, and the keyboard stays at the button it was at.
   */
  show(...children: Child[]): void {
    if (this.pressed) {
      this.waiting = children
      return
    }
    const focused = this.content.contains(document.activeElement) ? document.activeElement?.textContent : undefined
    const old = [...this.content.childNodes]
    const shown = children
      .filter((child): child is Node | string => Boolean(child))
      .map((child) => {
        const made = typeof child === 'string' ? document.createTextNode(child) : child
        const same = old.findIndex((one) => one.isEqualNode(made))
        return old.splice(same, same < 0 ? 0 : 1)[0] ?? made
      })
    for (const gone of old) gone.remove()
    shown.forEach((child, at) => {
      const there = this.content.childNodes[at]
      if (there !== child) this.content.insertBefore(child, there ?? null)
    })
    if (focused) [...this.content.querySelectorAll('button')].find((one) => one.textContent === focused)?.focus({ preventScroll: true })
  }

  /** The height that the content needs, in the node's own pixels. */
  height(): number {
    const now = this.content.offsetHeight
    if (now > 0) this.measured = now
    return Math.min(Math.max(this.measured, this.lowest), this.highest)
  }
}
