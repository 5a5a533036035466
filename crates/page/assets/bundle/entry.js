// What report.html draws with, and nothing else of Apache ECharts, so that each page stays small.
// The script makes one global, `echarts`, of which page.js uses `init` alone.
export { init } from 'echarts/core';

import { use } from 'echarts/core';
import { CustomChart, LineChart, SankeyChart } from 'echarts/charts';
import {
  AxisPointerComponent,
  GridComponent,
  LegendPlainComponent,
  MarkAreaComponent,
  TooltipComponent,
} from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';

use([
  AxisPointerComponent,
  CustomChart,
  GridComponent,
  LegendPlainComponent,
  LineChart,
  MarkAreaComponent,
  SVGRenderer,
  SankeyChart,
  TooltipComponent,
]);
