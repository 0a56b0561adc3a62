/** The modules that ComfyUI's frontend serves itself. Their types are in `host.ts`, the only file that imports them. */
declare module '*/scripts/app.js' {
  export const app: unknown
}
declare module '*/scripts/api.js' {
  export const api: unknown
}
