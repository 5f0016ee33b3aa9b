import { t } from "./words.js";

// Numbers and times as people read them.
const NONE = "–";

export const phi = (value) => (value === null ? NONE : value.toFixed(4));

export const percent = (value) => (value === null ? NONE : `${(value * 100).toFixed(1)} %`);

export function signed(value) {
  if (value === null) return NONE;
  const text = Math.abs(value).toFixed(3);
  return value < 0 && Number(text) !== 0 ? `−${text}` : `+${text}`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

export function duration(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const age = (ms) => (ms < 1500 ? t("just now") : t("{0} ago", duration(ms)));
