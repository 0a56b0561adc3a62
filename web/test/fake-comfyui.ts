/** Stands in for ComfyUI's page in tests of pure functions: nothing is registered, nothing is answered. */

export const app = { registerExtension: () => undefined }
export const api = Object.assign(new EventTarget(), { fetchApi: () => Promise.reject(new Error('no server in this test')) })
