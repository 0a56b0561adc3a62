/**
 * Ask a question again whenever it changes, but only once it has stood still for a while; of several answers the last question's
 * counts, whichever comes first.
 */
export class Latest<Question, Answer> {
  private key = ''
  private timer: ReturnType<typeof setTimeout> | undefined
  private running: AbortController | undefined

  constructor(
    private readonly ask: (question: Question, signal: AbortSignal) => Promise<Answer>,
    private readonly answered: (answer: Answer) => void,
    private readonly failed: (error: unknown) => void,
    private readonly quietMs = 300
  ) {}

  /** The question as it is now. True when it differs from the last one and will be asked. */
  update(question: Question): boolean {
    const key = JSON.stringify(question)
    if (key === this.key) return false
    this.key = key
    this.stop()
    this.timer = setTimeout(() => void this.run(question), this.quietMs)
    return true
  }

  /** Forget the question: nothing more is answered until the next `update`. */
  clear(): void {
    this.key = ''
    this.stop()
  }

  private stop(): void {
    clearTimeout(this.timer)
    this.running?.abort()
    this.running = undefined
  }

  private async run(question: Question): Promise<void> {
    const mine = new AbortController()
    this.running = mine
    try {
      const answer = await this.ask(question, mine.signal)
      if (this.running === mine) this.answered(answer)
    } catch (error) {
      if (this.running === mine) this.failed(error)
    }
  }
}
