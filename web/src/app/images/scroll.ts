/**
 * Scrolling through more pixels than a browser's element may be high (33 million in Chromium, 17.9 million in Firefox, both divided by
 * the device's pixel ratio): the element is `CAP` high at most and stands for all of them. Short movements are as long as they look,
 * the scrollbar reaches every place. Heights that fit are not touched.
 *
 * The element is a window of `CAP` pixels on the whole, and `base` is where it begins: 0 in the first quarter of the element, all that
 * is missing in the last one, and between them the more the further down.
 */

export const CAP = 6_000_000

export class Scroll {
  /** Where the element begins in the whole, in pixels. */
  base = 0
  /** Where the view begins in the whole. */
  offset = 0
  private total = 0
  private view = 0
  private top = 0

  constructor(private readonly cap = CAP) {}

  /** Height of the element. */
  get height(): number {
    return Math.min(this.total, this.cap)
  }

  private get quarter(): number {
    return this.cap / 4
  }

  /** How much of the whole the element lacks. */
  private get lack(): number {
    return Math.max(0, this.total - this.cap)
  }

  /** The whole is so high, and so much of it is in view. */
  resize(total: number, view: number): void {
    this.total = total
    this.view = view
  }

  /** Have the view begin at `offset`; gives the element's `scrollTop` for it. */
  to(offset: number): number {
    this.offset = Math.max(0, Math.min(offset, this.total - this.view))
    const share = (this.offset - this.quarter) / (this.total - 2 * this.quarter)
    this.base = this.lack && Math.round(this.lack * Math.min(1, Math.max(0, share)))
    return (this.top = this.offset - this.base)
  }

  /** The element was scrolled to `top`; gives where its `scrollTop` should be instead. */
  scrolled(top: number): number {
    const far = Math.abs(top - this.top) >= this.view
    if (far) return this.to(this.offsetOf(top))
    const [offset, base] = [top + this.base, this.base]
    const right = this.to(offset)
    // Setting `scrollTop` ends a browser's smooth movement: it is left alone until it is far from where it should be.
    const inside = offset > this.quarter && offset < this.total - this.quarter
    if (!inside || Math.abs(right - top) > this.quarter / 2) return right
    this.base = base
    return (this.top = top)
  }

  private offsetOf(top: number): number {
    const share = (top - this.quarter) / (this.cap - 2 * this.quarter)
    return top + this.lack * Math.min(1, Math.max(0, share))
  }
}
