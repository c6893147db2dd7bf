/** What the bundler makes of a worklet: one script, by its address. */
declare module "*?worker&url" {
  const url: string;
  export default url;
}
