/** News for the screens behind a review: nobody sees them, so they hear of everything at its end. */

interface News {
  added: readonly number[]
  changed: readonly number[]
  sessions: readonly string[]
}

/** Calls `tell` with each piece of news, or with all of them together when `busy` no longer holds and `flush` is called. */
export function later(tell: (news: News) => void, busy: () => boolean) {
  let [added, changed, sessions] = [new Set<number>(), new Set<number>(), new Set<string>()]

  function flush(): void {
    const news = { added: [...added], changed: [...changed], sessions: [...sessions] }
    ;[added, changed, sessions] = [new Set(), new Set(), new Set()]
    if (news.added.length || news.changed.length || news.sessions.length) tell(news)
  }

  function hear(news: Partial<News>): void {
    news.added?.forEach((id) => added.add(id))
    news.changed?.forEach((id) => changed.add(id))
    news.sessions?.forEach((slug) => sessions.add(slug))
    if (!busy()) flush()
  }

  return { hear, flush }
}
