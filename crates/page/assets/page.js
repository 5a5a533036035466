// Draws the charts of a page with Apache ECharts: it turns the data that the page carries into
// options, and does it again when the theme, the width or the paper changes. Texts and tables are
// in the HTML and need none of this.
'use strict';
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById('charts').textContent);
  const drawn = new Map(); // The chart in each element that was seen so far.

  const { UNKNOWN, number, share, show, showWithInterval } = numbers;

  // ---- Values on axes --------------------------------------------------------------------------

  // A percentile p is placed at 1/(1-p): 10 is 90 %, 100 is 99 %.
  const percentile = (place) => {
    const decimals = Math.max(0, Math.ceil(Math.log10(place) - 2 - 1e-9));
    return `${(100 - 100 / place).toFixed(decimals)} %`;
  };

  const isZero = (scale, value) => scale.kind === 'log' && value <= scale.zero * 1.001;

  const shown = (axis, value) => {
    if (axis.scale.kind === 'names') return axis.scale.names[value];
    if (axis.scale.kind === 'percentile') return percentile(value);
    return show(axis.unit, value);
  };

  // Labels of an axis need no trailing zeros.
  const tick = (axis) => (value) => {
    const [digits, ...rest] = (axis.show ?? numbers.write[axis.unit])(value).split(' ');
    return [numbers.trimmed(digits), ...rest].join(' ');
  };

  // All rates of an axis are per second or all per hour: whichever tables use for the greatest.
  function ofRates(axis, values) {
    if (axis.unit !== 'per s') return axis;
    const most = values.reduce((high, value) => Math.max(high, value), 0);
    if (!numbers.isPerHour(most)) return { ...axis, show: numbers.perSecond };
    const zero = 10 ** Math.floor(Math.log10(axis.scale.zero * 3600));
    const scale = axis.scale.kind === 'log' ? { ...axis.scale, zero } : axis.scale;
    return { ...axis, scale, factor: 3600, show: (hourly) => `${number(hourly)} /h` };
  }

  // ---- Colours: page.css names them, and they follow the theme ---------------------------------

  function palette() {
    const probe = document.body.appendChild(document.createElement('i'));
    const colour = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const names = ['text', 'muted', 'faint', 'panel', 'good', 'bad', 'unsure', 'shade'];
    const colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
    colours.lines = [1, 2, 3, 4, 5, 6, 7].map((at) => colour(`line-${at}`));
    probe.remove();
    return colours;
  }

  // ---- What charts have in common --------------------------------------------------------------

  const make = (tag, attributes, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };

  // Built from elements, so that no name is taken for HTML.
  const tip = (title, rows) =>
    make(
      'div',
      { className: 'tip' },
      make('b', {}, title),
      ...rows.map(([mark, name, value]) =>
        make('div', {}, mark, make('span', {}, name), make('strong', {}, value)),
      ),
    );

  const dot = (colour) => {
    const mark = make('i', { className: 'dot' });
    mark.style.background = colour;
    return mark;
  };

  const base = (colours) => ({
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colours.text },
    tooltip: {
      confine: true,
      backgroundColor: colours.panel,
      borderColor: colours.faint,
      textStyle: { color: colours.text, fontSize: 13 },
    },
  });

  // ---- Lines over two axes ---------------------------------------------------------------------

  const [X, Y, X_ERROR, Y_ERROR, NOTE, MISSED] = [0, 1, 2, 3, 4, 5];
  const SYMBOLS = ['circle', 'rect', 'triangle', 'diamond'];

  // Breaks a long name into lines between words.
  function folded(name, room) {
    const fits = Math.floor(room / 6.5); // Roughly the width of a character.
    const lines = [''];
    for (const word of name.split(' ')) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (longer.length <= fits || lines.at(-1) === '') lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines.join('\n');
  }

  function axis(spec, values, colours, width, { horizontal, tight }) {
    const { kind, zero, names } = spec.scale;
    const [least, most] = values.reduce(
      ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
      [Infinity, -Infinity],
    );
    const common = {
      name: spec.name,
      nameLocation: horizontal ? 'middle' : 'end',
      nameGap: horizontal ? 27 : 12,
      nameTextStyle: { color: colours.muted, fontSize: 12, align: horizontal ? 'center' : 'left' },
      axisLabel: { color: colours.muted, fontSize: 12, hideOverlap: true },
      axisLine: { show: horizontal, onZero: false, lineStyle: { color: colours.faint } },
      axisTick: { show: false },
      splitLine: { show: !horizontal, lineStyle: { color: colours.faint } },
    };
    const label = (formatter) => ({ axisLabel: { ...common.axisLabel, formatter } });
    if (kind === 'names') {
      const room = horizontal ? Math.max((width - 90) / names.length - 12, 40) : width / 3;
      const axisLabel = {
        ...common.axisLabel,
        width: room,
        lineHeight: 15,
        overflow: 'truncate',
        hideOverlap: names.length > 12,
        interval: names.length > 12 ? 'auto' : 0,
        formatter: (name) => (horizontal ? folded(name, room) : name),
      };
      const lines = Math.max(1, ...names.map((name) => folded(name, room).split('\n').length));
      const nameGap = horizontal ? 16 + 15 * (names.length > 12 ? 1 : lines) : common.nameGap;
      return { ...common, type: 'category', data: names, axisLabel, nameGap, inverse: !horizontal };
    }
    if (kind === 'percentile') {
      // On a narrow axis not every power of ten has room for its label.
      const step = Math.max(1, Math.ceil((Math.log10(most) * 62) / (width - 70)));
      const isNamed = (value) => Math.round(Math.log10(value)) % step === 0;
      const formatter = (value) => (isNamed(value) ? percentile(value) : '');
      const axisLabel = { ...common.axisLabel, formatter, showMaxLabel: false };
      return { ...common, axisLabel, type: 'log', min: 1, max: Math.max(10.1, most) };
    }
    if (kind === 'log') {
      const named = (value) => (isZero(spec.scale, value) ? '0' : tick(spec)(value));
      return { ...common, ...label(named), type: 'log', min: zero };
    }
    // The axis includes zero unless that would squeeze all values together at the other end.
    const scale = least > most / 2;
    const splitNumber = horizontal && width < 500 ? 4 : 5;
    // Rounding may put the end of the axis above 1, but there is no share above 1 to label.
    const isShare = (value) => spec.unit !== 'ratio' || most > 1 || value < 1.000001;
    const named = (value) => (isShare(value) ? tick(spec)(value) : '');
    const plain = { ...common, ...label(named), type: 'value', scale, splitNumber };
    if (!tight) return plain;
    // The lines reach the end of the axis, which is no round number and so has no label.
    return { ...plain, max: 'dataMax', axisLabel: { ...plain.axisLabel, showMaxLabel: false } };
  }

  // Where a value is on its axis; on a logarithmic axis zero is at the lower end.
  const placed = ({ scale, factor = 1 }, value) => {
    if (value === null) return null;
    return scale.kind === 'log' ? Math.max(value * factor, scale.zero) : value * factor;
  };

  // Whiskers at the ends of an interval.
  function whiskers(spec, line, colour) {
    const bar = (api, [x0, y0], [x1, y1]) => {
      const [from, to] = [api.coord([x0, y0]), api.coord([x1, y1])];
      const cap = x0 === x1 ? [3, 0] : [0, 3];
      const stroke = (a, b) => ({
        type: 'line',
        shape: { x1: a[0], y1: a[1], x2: b[0], y2: b[1] },
        style: { stroke: colour, lineWidth: 1.25 },
        silent: true,
      });
      const across = (end) => [
        [end[0] - cap[0], end[1] - cap[1]],
        [end[0] + cap[0], end[1] + cap[1]],
      ];
      return [stroke(from, to), stroke(...across(from)), stroke(...across(to))];
    };
    return {
      type: 'custom',
      name: line.name,
      silent: true,
      clip: true,
      data: line.points.filter((point) => point[X_ERROR] || point[Y_ERROR]),
      encode: { x: X, y: Y },
      renderItem: (_, api) => {
        const [x, y, dx, dy] = [X, Y, X_ERROR, Y_ERROR].map((place) => api.value(place));
        const at = (across, up) => [placed(spec.x, across), placed(spec.y, up)];
        const children = [
          ...(dx > 0 ? bar(api, at(x - dx, y), at(x + dx, y)) : []),
          ...(dy > 0 ? bar(api, at(x, y - dy), at(x, y + dy)) : []),
        ];
        return { type: 'group', children };
      },
    };
  }

  // Later lines have gaps, so that a line below them can be seen.
  function dashes(line, at, colours) {
    if (line.marked) return at < colours.lines.length ? 'solid' : 'dashed';
    return ['solid', [7, 4], [2, 3]][Math.min(at, 2)];
  }

  function lineSeries(spec, line, at, colours) {
    const colour = colours.lines[at % colours.lines.length];
    const hollow = { color: colours.panel, borderColor: colours.bad, borderWidth: 2 };
    return {
      type: 'line',
      name: line.name,
      data: line.points.map((point) => ({
        value: [placed(spec.x, point[X]), placed(spec.y, point[Y])],
        raw: point,
        ...(point[MISSED] ? { itemStyle: hollow, symbolSize: 10 } : {}),
      })),
      showSymbol: line.marked,
      showAllSymbol: true,
      symbol: SYMBOLS[at % SYMBOLS.length],
      symbolSize: 7,
      color: colour,
      lineStyle: { width: line.marked ? 1.5 : 2, type: dashes(line, at, colours) },
      emphasis: { disabled: !line.marked },
    };
  }

  function shades(spec, colours) {
    const data = spec.areas.map((area) => [
      { xAxis: area.from, itemStyle: { color: area.measured ? colours.shade : 'transparent' } },
      { xAxis: area.to },
    ]);
    return { silent: true, data };
  }

  const value = (spec, point) =>
    point[Y] === null ? UNKNOWN : showWithInterval(spec.y.unit, point[Y], point[Y_ERROR]);

  function linesTip(spec) {
    return (about) => {
      if (Array.isArray(about)) {
        const own = about.filter((one) => one.data && one.data.raw);
        if (own.length === 0) return '';
        const rows = own.map((one) => [dot(one.color), one.seriesName, value(spec, one.data.raw)]);
        const what = spec.x.unit === 'number' ? spec.x.name : '';
        return tip(`${shown(spec.x, own[0].data.raw[X])} ${what}`, rows);
      }
      const point = about.data.raw;
      const across = Number.isFinite(point[X_ERROR])
        ? showWithInterval(spec.x.unit, point[X], point[X_ERROR])
        : shown(spec.x, point[X]);
      const note = point[NOTE] ? [[dot(about.color), point[NOTE], '']] : [];
      return tip(about.seriesName || spec.y.name, [
        ...note,
        [dot('transparent'), spec.x.name, across],
        [dot('transparent'), spec.y.name, value(spec, point)],
      ]);
    };
  }

  function linesOptions(given, colours, width) {
    const points = given.lines.flatMap((line) => line.points);
    const read = (place) => points.map((point) => point[place]).filter((one) => one !== null);
    const spec = { ...given, x: ofRates(given.x, read(X)), y: ofRates(given.y, read(Y)) };
    const values = (place) =>
      read(place).map((one) => one * ((place === X ? spec.x : spec.y).factor ?? 1));
    const series = spec.lines.map((line, at) => lineSeries(spec, line, at, colours));
    if (series.length > 0 && spec.areas.length > 0) series[0].markArea = shades(spec, colours);
    const bars = spec.lines.map((line, at) => whiskers(spec, line, series[at].color));
    const item = spec.lines.some((line) => line.marked && line.points.length > 3);
    const options = base(colours);
    return {
      ...options,
      tooltip: {
        ...options.tooltip,
        trigger: item ? 'item' : 'axis',
        axisPointer: { type: 'line', lineStyle: { color: colours.muted } },
        formatter: linesTip(spec),
      },
      legend: { show: false, data: spec.lines.map((line) => line.name) },
      grid: {
        left: 4,
        right: 18,
        top: 28,
        bottom: 26,
        outerBoundsMode: 'same',
        outerBoundsContain: 'axisLabel',
      },
      xAxis: axis(spec.x, values(X), colours, width, { horizontal: true, tight: !item }),
      yAxis: axis(spec.y, values(Y), colours, width, { horizontal: false }),
      series: [...series, ...bars.filter((bar) => bar.data.length > 0)],
    };
  }

  // The legend is HTML, so that it wraps where the page is narrow. A click hides a line.
  function legend(element, spec, colours) {
    const old = element.previousElementSibling;
    if (old && old.classList.contains('legend')) old.remove();
    const list = make('div', { className: 'legend' });
    const signs = { circle: '●', rect: '■', triangle: '▲', diamond: '◆' };
    // A single line needs a name only if the axis does not say it.
    const isNamed = (lines) => lines.length > 1 || !spec.y.name.includes(lines[0]?.name ?? '');
    if (spec.kind === 'lines' && isNamed(spec.lines)) {
      spec.lines.forEach((line, at) => {
        const sign = line.marked ? signs[SYMBOLS[at % SYMBOLS.length]] : '━';
        const mark = make('i', {}, sign);
        mark.style.color = colours.lines[at % colours.lines.length];
        const button = make('button', { type: 'button', title: line.name }, mark, line.name);
        button.addEventListener('click', () => {
          drawn.get(element).dispatchAction({ type: 'legendToggleSelect', name: line.name });
          button.classList.toggle('off');
        });
        list.append(button);
      });
    }
    if (spec.kind === 'lines' && spec.areas.some((area) => area.measured)) {
      list.append(make('span', {}, make('i', { className: 'shade' }), 'measured window'));
    }
    if (list.hasChildNodes()) element.before(list);
  }

  // ---- Flows -----------------------------------------------------------------------------------

  function flowOptions(spec, colours) {
    const total = spec.sinks.reduce((sum, one) => sum + one.count, 0);
    const tones = {
      good: colours.lines[0],
      lost: colours.lines[1],
      neutral: colours.muted,
      wrong: colours.bad,
    };
    const node = (side, depth, count) => (one) => ({
      name: side + one.name,
      depth,
      itemStyle: { color: tones[one.tone] },
      label: { formatter: `${one.name}\n{count|${count(one.count)}}` },
    });
    const withShare = (count) => `${number(count)} · ${share(count / total)}`;
    const inner = spec.sources.length > 0 ? 1 : 0;
    const middle = { name: 'middle', depth: inner, itemStyle: { color: colours.muted } };
    middle.label = inner
      ? { show: false }
      : { formatter: `${spec.middle}\n{count|${number(total)}}` };
    const sinks = spec.sinks.map(node('out ', inner + 1, withShare));
    const options = base(colours);
    return {
      ...options,
      tooltip: {
        ...options.tooltip,
        formatter: (about) => {
          const named = (name) =>
            name === 'middle' ? spec.middle : name.replace(/^(in|out) /, '');
          const title = about.dataType === 'edge'
            ? `${named(about.data.source)} → ${named(about.data.target)}`
            : named(about.name);
          const share = share(about.value / total);
          return tip(title, [[dot(about.color), number(about.value), share]]);
        },
      },
      series: {
        type: 'sankey',
        left: 0,
        right: 128,
        top: 18,
        bottom: 18,
        nodeWidth: 8,
        nodeGap: 34,
        layoutIterations: 0,
        draggable: false,
        emphasis: { disabled: true },
        lineStyle: { color: 'target', opacity: 0.3 },
        label: {
          color: colours.text,
          fontSize: 12,
          lineHeight: 15,
          rich: { count: { color: colours.muted, fontSize: 12, lineHeight: 15 } },
        },
        data: [...spec.sources.map(node('in ', 0, number)), middle, ...sinks],
        links: [
          ...spec.sources.map((one) => ({
            source: `in ${one.name}`,
            target: 'middle',
            value: one.count,
            lineStyle: { color: 'source' },
          })),
          ...spec.sinks.map((one) => ({
            source: 'middle',
            target: `out ${one.name}`,
            value: one.count,
          })),
        ],
      },
    };
  }

  // ---- Drawing, and drawing again --------------------------------------------------------------

  function draw(element) {
    const width = element.clientWidth;
    if (width === 0) return; // It is in a folded part of the page.
    const spec = data[element.dataset.chart];
    const colours = palette();
    const isFlow = spec.kind === 'flow';
    if (isFlow) element.style.height = `${60 + 54 * Math.max(spec.sinks.length, 3)}px`;
    legend(element, spec, colours);
    if (!drawn.has(element)) drawn.set(element, echarts.init(element, null, { renderer: 'svg' }));
    const chart = drawn.get(element);
    chart.resize();
    const options = isFlow ? flowOptions(spec, colours) : linesOptions(spec, colours, width);
    chart.setOption(options, { notMerge: true });
  }

  const plots = [...document.querySelectorAll('.plot')];
  const drawAll = () => plots.forEach(draw);

  const widths = new WeakMap();
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (widths.get(target) === target.clientWidth) continue;
      widths.set(target, target.clientWidth);
      draw(target);
    }
  });
  plots.forEach((element) => observer.observe(element));

  for (const select of document.querySelectorAll('.choose select')) {
    const element = select.closest('figure').querySelector('.plot');
    select.addEventListener('change', () => {
      element.dataset.chart = select.value;
      draw(element);
    });
  }

  // ---- Light, dark, and paper ------------------------------------------------------------------

  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme || (system.matches ? 'dark' : 'light')) === 'dark';
  const setTheme = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    drawAll();
  };
  const forced = () => ['dark', 'light'].find((theme) => location.hash === `#${theme}`);
  system.addEventListener('change', drawAll);
  addEventListener('hashchange', () => forced() && setTheme(forced()));
  const toggle = document.getElementById('theme');
  toggle.hidden = false;
  toggle.addEventListener('click', () => setTheme(isDark() ? 'light' : 'dark'));
  if (forced()) setTheme(forced());

  // On paper a page is light and narrow, and all its folders are open.
  let before = null;
  addEventListener('beforeprint', () => {
    const closed = [...document.querySelectorAll('details.folder:not([open])')];
    before = { theme: root.dataset.theme, closed };
    closed.forEach((details) => { details.open = true; });
    root.classList.add('paper');
    setTheme('light');
  });
  addEventListener('afterprint', () => {
    before.closed.forEach((details) => { details.open = false; });
    root.classList.remove('paper');
    setTheme(before.theme);
  });
})();
