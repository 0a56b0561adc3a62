/** Put a text on the clipboard. Pages without a certificate, such as on a phone, have only the old way. */
export async function copy(text: string, near: Element | null = document.activeElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const box = document.createElement('textarea')
    box.value = text
    box.style.cssText = 'position: fixed; opacity: 0'
    ;(near?.closest('dialog, .sdgen-app') ?? document.body).append(box)
    box.select()
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else works without a secure context
    const done = document.execCommand('copy')
    box.remove()
    if (near instanceof HTMLElement) near.focus({ preventScroll: true })
    return done
  }
}
