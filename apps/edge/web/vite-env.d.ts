/** What the bundler makes of a worklet: one script, by its address. */
declare module "*?worker&url" {
  const url: string;
  // biome-ignore lint/style/noDefaultExport: it is what the bundler exports.
  export default url;
}
