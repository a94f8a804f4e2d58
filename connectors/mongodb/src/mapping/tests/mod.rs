mod golden;
mod speed;
