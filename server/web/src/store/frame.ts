/** Once a frame, and also in a hidden tab, where frames do not come. */
export function onceAFrame(tell: () => void): void {
  if (document.visibilityState === "hidden") setTimeout(tell, 100);
  else requestAnimationFrame(tell);
}
