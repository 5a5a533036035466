// Writes numbers by the rules of skipbeat_core::number, so that a tooltip says what a table says. A
// browser test compares the two.
'use strict';
const numbers = (() => {
  const UNKNOWN = '–';
  const MOST_DECIMALS = 12;

  // Like toFixed, but a value exactly in the middle is rounded to the even digit, as in Rust.
  function fixed(value, decimals) {
    if (Math.abs(value) >= 1e21) {
      // From here on toFixed writes an exponent.
      const whole = BigInt(value).toString();
      return decimals > 0 ? `${whole}.${'0'.repeat(decimals)}` : whole;
    }
    const exact = value.toFixed(100);
    const end = exact.indexOf('.') + 1 + decimals;
    const isMiddle = /^50*$/.test(exact.slice(end));
    const cut = exact.slice(0, decimals === 0 ? end - 1 : end);
    return isMiddle && '02468'.includes(cut.at(-1)) ? cut : value.toFixed(decimals);
  }

  const trimmed = (text) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

  function thousands(value) {
    const digits = fixed(Math.abs(value), 0);
    const sign = value < 0 && digits !== '0' ? '-' : '';
    return sign + digits.replace(/\B(?=(\d{3})+$)/g, ',');
  }

  function number(value) {
    const size = Math.abs(value);
    if (Number.isInteger(value) || size >= 1000) return thousands(value);
    if (size < 1e-9) return value.toExponential(3);
    const decimals = 3 - Math.floor(Math.log10(size));
    return trimmed(fixed(value, Math.min(Math.max(decimals, 0), MOST_DECIMALS)));
  }

  function share(value) {
    const exact = value === 0 || value === 1;
    for (let decimals = 2; decimals <= MOST_DECIMALS; decimals += 1) {
      const text = fixed(value * 100, decimals);
      if (exact || ![0, 100].includes(Math.abs(Number(text)))) return `${text} %`;
    }
    return Math.abs(value) < 0.5 ? `${(value * 100).toExponential(0)} %` : 'just under 100 %';
  }

  // The limits are where rounding would reach 1,000 of the smaller unit.
  function span(seconds) {
    const size = Math.abs(seconds);
    if (size === 0) return '0 s';
    if (size < 999.5e-9) return `${fixed(seconds * 1e9, 0)} ns`;
    if (size < 999.95e-6) return `${fixed(seconds * 1e6, 1)} µs`;
    if (size < 999.95e-3) return `${fixed(seconds * 1e3, 1)} ms`;
    return size < 999.9995 ? `${fixed(seconds, 3)} s` : `${thousands(seconds)} s`;
  }

  const isPerHour = (rate) => Math.abs(rate) > 0 && Math.abs(rate) < 0.1;
  const perSecond = (rate) => `${number(rate)} /s`;
  const perHour = (rate) => `${number(rate * 3600)} /h`;
  const rate = (value) => (isPerHour(value) ? perHour(value) : perSecond(value));

  function bytes(value) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
    const step = units.findIndex((_, at) => value < 1024 ** (at + 1));
    const at = step < 0 ? units.length - 1 : step;
    return `${number(value / 1024 ** at)} ${units[at]}`;
  }

  const write = {
    count: number,
    number,
    ratio: share,
    s: span,
    'per s': rate,
    ns: (value) => span(value / 1e9),
    bytes,
  };

  const show = (unit, value) => (Number.isFinite(value) ? write[unit](value) : UNKNOWN);

  // A figure and half of its interval, both in the unit that suits the figure.
  const showWithInterval = (unit, value, half) => {
    const both = unit === 'per s' && isPerHour(value) ? perHour : (one) => show(unit, one);
    return Number.isFinite(half) ? `${show(unit, value)} ± ${both(half)}` : show(unit, value);
  };

  return {
    UNKNOWN, trimmed, number, share, isPerHour, perSecond, write, show, showWithInterval,
  };
})();
